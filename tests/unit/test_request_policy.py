"""Which requests the lab answers: hosts that are its own, pages that are its own, programs of any kind."""

from collections.abc import Mapping

import pytest

from lab.foundation.settings import LabSettings
from workload.request_policy import RequestPolicy, is_loopback

LOCAL = RequestPolicy()
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def refused(
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    own_pages: bool = False,
    policy: RequestPolicy = LOCAL,
) -> int | None:
    given = {"host": "127.0.0.1:8001", **headers}
    refusal = policy.refusal(method, given.get, own_pages=own_pages)
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8001", "localhost", "LOCALHOST:5000", "[::1]:8088", "127.8.8.8"]
)
def test_a_program_that_calls_this_machine_is_answered(host: str) -> None:
    assert refused({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8001", "[::1", "192.168.0.1",
        "evil.example@127.0.0.1", "127.0.0.1, evil.example", "127.0.0.1/evil", "::1", "0x7f.1", "localhost:x",
        "a" * 100_000, "[" * 1_000, "localhost:" + "1" * 1_000, "[fe80::1%evil]",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: str) -> None:
    """DNS rebinding: the name resolves to this machine, and the browser sends it as Host."""
    assert refused({"host": host}) == 421


def test_no_host_at_all_is_refused() -> None:
    assert LOCAL.refusal("GET", lambda _: None, own_pages=True) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "http://127.0.0.1:8001.evil.example"},
        {"origin": "http://127.0.0.1:8001, http://evil.example"},
        {"origin": "file://127.0.0.1:8001"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "novelty"},
        {"sec-fetch-site": "cross-site", **NAVIGATION},
    ],
)
@pytest.mark.parametrize("own_pages", [True, False])
def test_a_page_of_another_origin_is_refused(headers: dict[str, str], *, own_pages: bool) -> None:
    """Another port of this machine is another origin; a form's POST is not a navigation."""
    assert refused(headers, own_pages=own_pages) == 403


def test_a_page_of_its_own_sends_requests_only_where_there_are_pages() -> None:
    own = {"origin": "http://127.0.0.1:8001", "sec-fetch-site": "same-origin"}
    assert refused(own, own_pages=True) is None
    assert refused(own, own_pages=False) == 403
    assert refused({"sec-fetch-site": "same-origin"}, own_pages=False) == 403


def test_a_link_leads_here_and_a_frame_or_an_image_does_not() -> None:
    """Grafana's and Datadog's links to a trace are followed by a person, as a navigation to a document."""
    foreign = {"sec-fetch-site": "cross-site", **NAVIGATION}
    assert refused(foreign, method="GET") is None
    assert refused(foreign | {"sec-fetch-dest": "iframe"}, method="GET") == 403
    image = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert refused(image, method="GET") == 403
    assert refused({"sec-fetch-site": "none", **NAVIGATION}, method="GET") is None


def settings(**fields: str) -> LabSettings:
    return LabSettings(_env_file=None, **fields)


def test_names_of_a_container_are_its_own_beyond_loopback() -> None:
    """Prometheus calls proposals:8001, Kubernetes the pod's address; ALLOWED_HOSTS adds what you call it."""
    beyond = RequestPolicy.of(
        settings(bind_address="0.0.0.0", allowed_hosts="Lab.example, other"),  # noqa: S104
        ["proposals"],
    )
    for host in ("proposals:8001", "10.1.2.3:8001", "[fd00::1]:1", "lab.example", "OTHER:80"):
        assert refused({"host": host}, policy=beyond) is None
    assert refused({"host": "underwriting:8001"}, policy=beyond) == 421
    assert refused({"host": "evil.example"}, policy=beyond) == 421
    local = RequestPolicy.of(settings(), ["proposals"])
    assert refused({"host": "proposals:8001"}, policy=local) == 421


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)],  # noqa: S104
)
def test_what_is_loopback(address: str, *, local: bool) -> None:
    assert is_loopback(address) is local
