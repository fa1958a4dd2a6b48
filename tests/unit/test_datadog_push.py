"""`datadog push` against an account on loopback: what it makes, what it leaves, how it words a refusal."""

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lab.cli import main
from lab.datadog import definitions
from lab.datadog.account import Account
from lab.datadog.definitions import Kind, read
from lab.datadog.difference import Change, changes
from lab.foundation.errors import LabError
from tests.fix_datadog import API_KEY, APP_KEY, DatadogAccount

MONITORS = "/api/v1/monitor"
DASHBOARDS = "/api/v1/dashboard"
BOARD: dict[str, Any] = {
    "title": "Lab",
    "description": "Made by a test (credit-lab:board).",
    "layout_type": "ordered",
    "widgets": [{"definition": {"type": "note", "content": "hello"}}],
}


def monitor(name: str, critical: float = 3) -> dict[str, Any]:
    return {
        "name": f"Credit Lab: {name}",
        "type": "query alert",
        "query": f"avg(last_5m):max:postgresql.uptime{{host:x}} > {critical}",
        "message": "Over.",
        "tags": [f"credit-lab:{name}", "project:credit-lab"],
        "options": {"thresholds": {"critical": critical}, "renotify_interval": 60},
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two monitors and a dashboard, which the command takes for those of `datadog/`."""
    write(tmp_path / "monitors/first.json", monitor("first"))
    write(tmp_path / "monitors/second.json", monitor("second"))
    write(tmp_path / "dashboards/board.json", BOARD)
    monkeypatch.setattr(definitions, "FOLDER", tmp_path)
    return tmp_path


def write(file: Path, body: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(body))


class Push:
    """Calls the command, and keeps what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *options: str, status: int = 0) -> str:
        self._monkeypatch.setattr(sys, "argv", ["creditlab", "datadog", "push", *options])
        with pytest.raises(SystemExit) as left:
            main()
        reported = self._capsys.readouterr()
        said = reported.out + reported.err
        assert left.value.code == status, said
        assert "Traceback" not in said
        assert API_KEY not in said
        assert APP_KEY not in said
        return said

    def actions(self, *options: str) -> dict[str, str]:
        steps = json.loads(self("--json", *options))["steps"]
        return {step["identity"]: step["action"] for step in steps}


@pytest.fixture
def push(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Push:
    return Push(monkeypatch, capsys)


@pytest.mark.usefixtures("folder")
def test_a_first_push_creates_and_a_second_changes_nothing(
    datadog: DatadogAccount, push: Push
) -> None:
    """Datadog's own additions to what it stores are no differences."""
    assert set(push.actions().values()) == {"create"}
    assert len(datadog.monitors) == 2
    assert len(datadog.dashboards) == 1
    datadog.requests.clear()
    said = push()
    assert "3 unchanged" in said
    assert f"/dashboard/{next(iter(datadog.dashboards))}" in said
    assert datadog.writes == []


def test_what_stands_in_the_repository_is_pushed_and_found_again(
    datadog: DatadogAccount, push: Push
) -> None:
    """The real files pass the client's checks on their way out, and come back unchanged."""
    count = len(read(definitions.FOLDER))
    assert f"{count} created" in push()
    assert f"{count} unchanged" in push()
    assert len(datadog.writes) == count


@pytest.mark.usefixtures("folder")
def test_a_dry_run_shows_the_difference_has_it_checked_and_changes_nothing(
    datadog: DatadogAccount, push: Push
) -> None:
    said = push("--dry-run")
    assert "would create" in said
    assert "Credit Lab: first" in said
    assert datadog.writes == []
    assert ("POST", f"{MONITORS}/validate") in datadog.requests


@pytest.mark.usefixtures("folder")
def test_what_somebody_changed_is_shown_and_put_right(datadog: DatadogAccount, push: Push) -> None:
    push()
    [first, _] = datadog.monitors.values()
    first["options"]["thresholds"]["critical"] = 4.0
    first["query"] = first["query"].replace("> 3", "> 4.0")
    [board] = datadog.dashboards.values()
    board["widgets"][0]["definition"]["content"] = "bye"
    said = push("--dry-run")
    assert "options.thresholds.critical" in said
    assert "4.0 → 3" in said
    assert "…host:x} > 4.0 → …host:x} > 3" in said
    assert "bye → hello" in said
    assert push.actions() == {
        "credit-lab:first": "update",
        "credit-lab:second": "unchanged",
        "credit-lab:board": "update",
    }
    assert push.actions() == dict.fromkeys(
        ("credit-lab:first", "credit-lab:second", "credit-lab:board"), "unchanged"
    )
    assert len(datadog.monitors) == 2


@pytest.mark.usefixtures("folder")
def test_what_is_in_the_account_besides_is_not_touched(datadog: DatadogAccount, push: Push) -> None:
    """Also when the account has more dashboards than one page, and the lab's is on the last."""
    for number in range(150):
        key = f"other-{number}"
        other = {**deepcopy(BOARD), "id": key, "description": None, "url": f"/dashboard/{key}"}
        datadog.dashboards[key] = other
    datadog.monitors[7] = {**monitor("x"), "id": 7, "tags": ["team:other"]}
    before = deepcopy((datadog.dashboards, datadog.monitors))
    push()
    assert "3 unchanged" in push()
    assert {k: datadog.dashboards[k] for k in before[0]} == before[0]
    assert datadog.monitors[7] == before[1][7]


def test_what_has_no_file_any_more_is_told_and_left(
    datadog: DatadogAccount, folder: Path, push: Push
) -> None:
    push()
    (folder / "monitors/second.json").unlink()
    assert "no file in datadog/" in push()
    assert push.actions()["credit-lab:second"] == "left"
    assert len(datadog.monitors) == 2


@pytest.mark.usefixtures("folder")
def test_an_identity_that_is_there_twice_is_for_a_person_to_decide(
    datadog: DatadogAccount, push: Push
) -> None:
    push()
    [(number, first), _] = datadog.monitors.items()
    datadog.monitors[9] = {**deepcopy(first), "id": 9}
    datadog.requests.clear()
    said = push(status=2)
    assert f"two monitors with the identity credit-lab:first: {number} and 9" in said
    assert datadog.writes == []


def test_a_query_that_datadog_does_not_understand_stops_everything_before_the_first_write(
    datadog: DatadogAccount, folder: Path, push: Push
) -> None:
    bad = {**monitor("zzz"), "query": "nonsense > 3"}
    write(folder / "monitors/zzz.json", bad)
    said = push(status=2)
    assert 'the check of "Credit Lab: zzz": 400 Bad Request' in said
    assert "parameter 'query' is invalid" in said
    assert datadog.writes == []


@pytest.mark.usefixtures("folder")
def test_a_push_that_broke_off_says_how_far_it_came_and_goes_on_the_next_time(
    datadog: DatadogAccount, push: Push
) -> None:
    """A server error is not retried: the dashboard might then exist twice."""
    datadog.instead["POST", DASHBOARDS] = [(502, {"errors": ["Bad Gateway"]}, {})]
    said = push(status=2)
    assert 'writing "Lab": 502 Bad Gateway' in said
    assert "2 of 3 were written before; push again" in said
    assert datadog.writes.count(("POST", DASHBOARDS)) == 1
    assert push.actions()["credit-lab:board"] == "create"


@pytest.mark.usefixtures("folder")
def test_a_rate_limit_is_waited_for(datadog: DatadogAccount, push: Push) -> None:
    limit = (429, {"errors": ["Too many requests"]}, {"X-Ratelimit-Reset": "0"})
    datadog.instead["GET", MONITORS] = [limit]
    push()
    assert datadog.requests.count(("GET", MONITORS)) == 2


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.usefixtures("folder")
def test_a_refusal_names_site_organization_and_scopes(
    datadog: DatadogAccount, push: Push, status: int
) -> None:
    datadog.instead["GET", MONITORS] = [(status, {"errors": [f"Not {API_KEY}"]}, {})]
    said = push(status=2)
    assert f"{status}" in said
    assert "is DD_SITE the site of your account?" in said
    assert "monitors_write" in said


@pytest.mark.usefixtures("folder")
def test_keys_of_another_account_are_refused(
    datadog: DatadogAccount, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DD_APP_KEY", "0" * 40)
    assert "403 Forbidden" in push(status=2)
    assert datadog.writes == []


@pytest.mark.parametrize("answer", ["<html>Please log in</html>", {"oops": 1}, [1]])
@pytest.mark.usefixtures("folder")
def test_an_answer_that_is_not_datadogs_is_called_that(
    datadog: DatadogAccount, push: Push, answer: object
) -> None:
    datadog.instead["GET", MONITORS] = [(200, answer, {})]
    assert "Is there a proxy or a captive portal?" in push(status=2)


@pytest.mark.usefixtures("folder")
def test_no_network_is_one_message_at_once(datadog: DatadogAccount, push: Push) -> None:
    datadog.close()
    said = push(status=2)
    assert f"{datadog.url} does not answer" in said
    assert "DD_SITE" in said


def test_a_body_that_the_api_does_not_take_is_found_before_it_is_sent(
    datadog: DatadogAccount, folder: Path, push: Push
) -> None:
    write(folder / "monitors/bad.json", {**monitor("bad"), "priority": "high"})
    assert "Datadog's API does not accept" in push(status=2)
    assert datadog.writes == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DD_API_KEY": "", "DD_APP_KEY": ""}, "not set: DD_API_KEY, DD_APP_KEY."),
        ({"DD_APP_KEY": ""}, "not set: DD_APP_KEY."),
        ({"DD_API_KEY": API_KEY[:-1]}, "it has 31 characters"),
        ({"DD_API_KEY": APP_KEY, "DD_APP_KEY": API_KEY}, "may be swapped"),
        ({"DD_APP_KEY": "abc"}, "DD_APP_KEY is not an application key: it has 3 characters"),
        ({"DD_SITE": "datadoqhq.com"}, "did you mean datadoghq.com?"),
        ({"DD_SITE": "https://app.datadoghq.eu"}, "without https:// and app."),
    ],
)
def test_keys_and_sites_that_cannot_be_are_told_before_anything_is_asked(
    datadog: DatadogAccount,
    push: Push,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert said in push(status=2)
    assert datadog.requests == []


def test_a_keys_owner_shows_no_key() -> None:
    """Neither its representation nor a text that went through it."""
    account = Account(api_key=API_KEY, app_key=APP_KEY, site="us5.datadoghq.com")
    assert API_KEY not in repr(account)
    assert APP_KEY not in repr(account)
    assert account.hide(f"a {API_KEY} b {APP_KEY}") == "a *** b ***"


@pytest.mark.parametrize(
    ("site", "api", "web"),
    [
        ("datadoghq.eu", "https://api.datadoghq.eu", "https://app.datadoghq.eu"),
        ("us3.datadoghq.com", "https://api.us3.datadoghq.com", "https://us3.datadoghq.com"),
    ],
)
def test_where_a_site_answers_and_where_it_is_looked_at(site: str, api: str, web: str) -> None:
    account = Account(api_key=API_KEY, app_key=APP_KEY, site=site)
    assert (account.api_url, account.web_url) == (api, web)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "has no identity"),
        (json.dumps({**monitor("x"), "tags": ["project:credit-lab"]}), "into its tags"),
        (json.dumps(monitor("first")), "both have the identity credit-lab:first"),
    ],
)
def test_a_malformed_file_is_named(folder: Path, text: str, said: str) -> None:
    (folder / "monitors/third.json").write_text(text)
    with pytest.raises(LabError, match=said):
        read(folder)


def test_a_dashboard_without_identity_is_named(folder: Path) -> None:
    write(folder / "dashboards/board.json", {**BOARD, "description": None})
    with pytest.raises(LabError, match="into its description"):
        read(folder)


def test_monitors_come_first(folder: Path) -> None:
    assert [d.kind for d in read(folder)] == [Kind.MONITOR, Kind.MONITOR, Kind.DASHBOARD]


def test_a_list_of_another_length_differs_as_a_whole() -> None:
    """A widget that was added or removed is one change, not one for every widget after it."""
    assert changes({"widgets": [1, 2]}, {"widgets": [1]}) == (
        Change(field="widgets", stored=[1], ours=[1, 2]),
    )


def test_tags_have_no_order_and_the_two_names_of_a_metric_monitor_are_one() -> None:
    ours = {"type": "query alert", "tags": ["a:B", "c"]}
    assert changes(ours, {"id": 1, "type": "metric alert", "tags": ["c", "a:b"]}) == ()
    assert changes(ours, {"type": "service check", "tags": None}) == (
        Change(field="type", stored="service check", ours="query alert"),
        Change(field="tags", stored=[], ours=["a:b", "c"]),
    )
