"""DD_API_KEY is asked about at its site; no answer is "unknown", and the key is in no text."""

import pytest
from pydantic import SecretStr

from lab.datadog import key
from lab.datadog.key import KeyState
from lab.settings import DatadogSettings
from tests.fix_datadog import API_KEY, DatadogAccount
from tests.fix_postgres import free_port


def settings(api_key: str | None, site: str = "datadoghq.com") -> DatadogSettings:
    return DatadogSettings(dd_api_key=SecretStr(api_key) if api_key else None, dd_site=site)


def test_without_a_key_nothing_is_asked() -> None:
    assert key.check(settings(None), api_url="http://127.0.0.1:1") is None


def test_a_key_of_the_account_is_valid_and_another_is_refused(
    datadog: DatadogAccount,
) -> None:
    known = key.check(settings(API_KEY), api_url=datadog.url)
    assert known is not None
    assert known.state is KeyState.VALID
    revoked = key.check(settings("f" * 32), api_url=datadog.url)
    assert revoked is not None
    assert revoked.state is KeyState.REFUSED
    assert "Organization Settings" in revoked.detail
    assert "f" * 32 not in repr(revoked)


def test_what_cannot_be_a_key_or_a_site_is_refused_without_asking() -> None:
    for wrong in (settings("tooshort"), settings("F" * 32), settings(API_KEY, "app.datadoghq.com")):
        found = key.check(wrong, api_url="http://127.0.0.1:1")
        assert found is not None
        assert found.state is KeyState.REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, {}),
        (200, "<html>portal</html>", {}),
        (200, [], {}),
        (200, {"valid": False}, {}),
        (200, {}, {}),
    ],
    ids=["status 500", "no JSON", "a list", "not valid", "no word of it"],
)
def test_an_answer_that_is_none_of_datadogs_leaves_it_unknown(
    datadog: DatadogAccount, answer: tuple[int, object, dict[str, str]]
) -> None:
    datadog.instead[("GET", key.PATH)] = [answer]
    found = key.check(settings(API_KEY), api_url=datadog.url)
    assert found is not None
    assert found.state is KeyState.UNKNOWN


def test_a_machine_without_a_network_leaves_it_unknown() -> None:
    found = key.check(settings(API_KEY), api_url=f"http://127.0.0.1:{free_port()}")
    assert found is not None
    assert found.state is KeyState.UNKNOWN
    assert "did not answer" in found.detail
