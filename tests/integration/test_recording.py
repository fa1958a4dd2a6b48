"""Recordings of an Agent's data, replayed through the intake into a store and judged."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.drills.assessment import Assessment
from lab.drills.recording import RecordingError, replayed
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Depth, Verdict
from tests import recordings
from tests.recordings import Fault, activity, metric

Call = Callable[..., int]
PULSE = "uptime"


def judged(directory: Path) -> Assessment:
    with replayed(directory) as recording:
        [found] = recording.assessments()
    return found


def of(observer: Observer, found: Assessment) -> Verdict:
    verdict = found.of(observer)
    assert verdict is not None
    return verdict


def deadlocks(directory: Path, *, without: tuple[tuple[float, float], ...] = ()) -> None:
    fault = Fault(drill="deadlocks", proven_ns=recordings.proof_ns(), pids=(11, 12))
    lock = {"wait_event_type": "Lock", "wait_event": "transactionid"}
    sessions = {pid: {"blocking_pids": [23 - pid], **lock} for pid in fault.pids}
    recordings.write(
        directory, fault,
        events=activity(fault, 4.4, sessions),
        series=[
            *metric(fault, PULSE, 7, 9_000, otherwise=9_000, without=without),
            *metric(fault, "deadlocks.count", 7, 14, kind=1, without=without, db="creditdb"),
        ],
    )  # fmt: skip


def test_a_recording_has_the_seconds_of_its_observers(tmp_path: Path) -> None:
    """Activity at 4.4 s, the check's run at 7 s, the monitor at the whole minute, 30 s after the proof."""
    deadlocks(tmp_path)
    found = judged(tmp_path)
    seconds = {verdict.observer: verdict.after_s for verdict in found.verdicts if verdict.after_s}
    assert seconds == {Observer.DBM: 4.4, Observer.CHECK: 7.0, Observer.MONITORS: 30.0}
    assert of(Observer.DBM, found).says == ("sessions that block each other: 2",)
    assert Depth.CULPRIT in of(Observer.DBM, found).depths
    assert of(Observer.CHECK, found).says == ("deadlocks in 15 s: 14",)
    for observer in (Observer.METRICS, Observer.ALERTS, Observer.APM, Observer.LOG):
        assert of(observer, found).says == ("not part of the recording",)


def test_a_gap_in_the_series_is_unknown(tmp_path: Path) -> None:
    """Neither seen nor missed, of the metrics and of the monitor; DBM has its own data."""
    deadlocks(tmp_path, without=((0, 60),))
    found = judged(tmp_path)
    assert of(Observer.CHECK, found).seen is Seen.UNKNOWN
    assert "delivered nothing for" in of(Observer.CHECK, found).says[0]
    assert of(Observer.MONITORS, found).seen is Seen.UNKNOWN
    assert of(Observer.MONITORS, found).says == ("Deadlock: a gap in the data during the fault",)
    assert of(Observer.DBM, found).seen is Seen.SEEN


def test_a_lost_metric_of_a_running_check_is_unknown(tmp_path: Path) -> None:
    """The check runs, and one metric is missing during the fault, as tables behind an exclusive lock."""
    fault = Fault(drill="work-mem-spill", proven_ns=recordings.proof_ns())
    recordings.write(
        tmp_path, fault, events=activity(fault, 4.4, {}),
        series=[
            *metric(fault, PULSE, 7, 9_000, otherwise=9_000),
            *metric(fault, "temp_bytes", 7, 5e6, without=((0, 61),), db="creditdb"),
        ],
    )  # fmt: skip
    verdict = of(Observer.CHECK, judged(tmp_path))
    assert (verdict.seen, verdict.after_s) == (Seen.UNKNOWN, None)
    assert verdict.says[0].startswith("bytes a second of temporary files: no points for")


def test_idle_sessions_that_fill_the_limit(tmp_path: Path) -> None:
    """They are in no activity sample, and in the connections of the same event."""
    fault = Fault(drill="connection-exhaustion", proven_ns=recordings.proof_ns())
    held = {"application_name": "credit-drill", "state": "idle", "usename": "credit_app",
            "datname": "creditdb", "connections": 52}  # fmt: skip
    recordings.write(
        tmp_path, fault, events=activity(fault, 3.6, {}, [held]),
        series=[
            *metric(fault, PULSE, 7, 9_000, otherwise=9_000),
            *metric(fault, "percent_usage_connections", 7, 0.66, otherwise=0.14),
        ],
    )  # fmt: skip
    found = judged(tmp_path)
    dbm, check = of(Observer.DBM, found), of(Observer.CHECK, found)
    assert (dbm.after_s, dbm.says) == (3.6, ("connections by application: 52",))
    assert dbm.depths == (Depth.DETECTED, Depth.CULPRIT)
    assert (check.after_s, check.depths) == (7.0, (Depth.DETECTED,))
    monitors = of(Observer.MONITORS, found)
    assert {alert.name: alert.firing_s for alert in monitors.alerts} == {
        "ConnectionsNearLimit": None,
        "ConnectionsNearLimit-credit_app": 30.0,
    }


def test_a_restart_shows_in_the_uptime_after_the_gap(tmp_path: Path) -> None:
    """The check cannot connect for a minute: that is no evidence; the new uptime is."""
    fault = Fault(drill="postgres-restart", proven_ns=recordings.proof_ns())
    series = list(metric(fault, PULSE, 7, 9_000, otherwise=9_000, without=((0, 60),)))
    for line in series:
        after_s = line["ts"] - fault.proven_ns // recordings.NS
        if after_s >= 60:
            line["value"] = after_s - 60
    recordings.write(tmp_path, fault, events=activity(fault, 4.4, {}), series=series)
    verdict = of(Observer.CHECK, judged(tmp_path))
    assert (verdict.seen, verdict.after_s) == (Seen.SEEN, 67.0)


def test_the_command_prints_the_verdicts(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    deadlocks(tmp_path)
    assert call("drill", "judge", "--recording", str(tmp_path), "--json") == 0
    [row] = json.loads(capsys.readouterr().out)["rows"]
    [dbm] = [verdict for verdict in row["verdicts"] if verdict["observer"] == "datadog_dbm"]
    assert (row["run"]["drill"], dbm["seen"], dbm["after_s"]) == ("deadlocks", "seen", 4.4)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.json", "{}", "has no run"),
        ("x.json", "{", "is no run"),
        ("x.json", '{"run": {"drill": "unknown"}}', "is no run"),
    ],
)
def test_a_malformed_recording_is_refused(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(RecordingError, match=says), replayed(tmp_path):
        pass


def test_files_of_data_are_refused_when_absent_or_damaged(tmp_path: Path) -> None:
    fault = Fault(drill="deadlocks", proven_ns=recordings.proof_ns())
    (tmp_path / "run.json").write_text(json.dumps(fault.document()), encoding="utf-8")
    with pytest.raises(RecordingError, match="neither"), replayed(tmp_path):
        pass
    (tmp_path / "events.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(RecordingError, match="cannot be read"), replayed(tmp_path):
        pass
