"""Times and counts of drills by hand: windows of evidence, minutes without a fault, plots, history."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lab.clients.prometheus import Alert
from lab.drills import minutes, quiet, report
from lab.drills.assessment import judged, truth_of, window
from lab.drills.catalogue import DRILLS, find
from lab.drills.coverage import result, seen
from lab.drills.errors import UnknownDrillError
from lab.drills.history import History
from lab.drills.journal import LATEST_NS, Entry, Journal
from lab.drills.matrix import Matrix
from lab.drills.recording import Recording
from lab.drills.running import DrillFiles
from lab.drills.sessions import DrillSessions
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.judge.evidence import Evidence, Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Depth, Verdict
from lab.telemetry.store import Reader, Source
from tests import evidence as of
from tests.fix_postgres import settings_for
from tests.unit.test_drills import assessment
from workload.tracing import NoTracing

S = 1_000_000_000
MINUTE = 1_000 * 60 * S
DEADLOCKS = DRILLS["deadlocks"]
RUN = replace(assessment().run, injected_ns=MINUTE, proven_ns=MINUTE + S, healed_ns=MINUTE + 10 * S)


@pytest.mark.parametrize(
    ("healed_s", "has_monitors", "until_s"),
    [
        (10, False, 35), (10, True, 65), (40, True, 65), (41, True, 66), (59, True, 84), (60, True, 125),
        (60, False, 85),
    ],
)  # fmt: skip
def test_evidence_ends_when_it_has_arrived(healed_s: int, has_monitors: bool, until_s: int) -> None:
    """25 s after the heal; with monitors not before the next evaluation, at a whole minute, and 5 s."""
    drill = DEADLOCKS if has_monitors else replace(DEADLOCKS, monitors=())
    found = window(drill, replace(RUN, healed_ns=MINUTE + healed_s * S))
    assert found == (MINUTE - 20 * S, MINUTE + until_s * S)


@pytest.mark.parametrize(
    ("until_s", "begins_s"),
    [(500, [20, 80, 330, 390]), (475, [20, 80, 330, 390]), (474, [20, 80, 330])],
)
def test_a_minute_without_a_fault_keeps_its_distance_from_each_fault(
    until_s: int, begins_s: list[int]
) -> None:
    """20 s from the beginning, 25 s before the next injection or the end, 70 s after a heal."""
    recording = Recording(
        reader=Reader(Path("none")),
        runs=(replace(RUN, injected_ns=200 * S, healed_ns=260 * S),),
        since_ns=0,
        until_ns=until_s * S,
    )
    assert [at // S for at in minutes._quiet_minutes(recording)] == begins_s
    assert quiet.STRETCH_NS == minutes.MINUTE_NS == 60 * S


def test_the_truth_of_a_run_has_the_drills_statements_with_their_texts() -> None:
    found = truth_of(DEADLOCKS, RUN, frozenset({7}))
    assert (found.injected_ns, found.proven_ns, found.healed_ns) == (
        MINUTE, MINUTE + S, MINUTE + 10 * S
    )  # fmt: skip
    assert found.statements == {"touch_customer"}
    assert (found.queryids, found.pids) == (frozenset({7}), frozenset({7}))
    assert found.services == {"credit-drill"}
    [text] = found.texts
    assert text.startswith("UPDATE customers SET updated_at")
    unknown = replace(DEADLOCKS, statements=frozenset({"no_such"}))
    assert truth_of(unknown, RUN, frozenset()).texts == frozenset()


def test_alerts_that_do_not_belong_to_the_drill_are_listed() -> None:
    """Those that fired during the run, from the injection on; with the sender of Datadog's data."""
    alerts = tuple(
        Alert(name=name, labels={}, pending_ns=MINUTE, firing_ns=at_ns)
        for name, at_ns in (
            ("Deadlock", MINUTE + S), ("B", MINUTE), ("A", MINUTE + S), ("Before", MINUTE - 1),
            ("Pending", None),
        )
    )  # fmt: skip
    sample = of.sample(None, at_ns=MINUTE, source=Source.AGENT)
    evidence = Evidence(since_ns=0, until_ns=2 * MINUTE, alerts=alerts, activity=(sample,))
    found = judged(DEADLOCKS, RUN, evidence, queryids=frozenset())
    assert (found.other_alerts, found.datadog) == (("A", "B"), "Datadog Agent")
    alone = replace(evidence, activity=(), deltas=(of.deltas(1),))
    assert judged(DEADLOCKS, RUN, alone, queryids=frozenset(), activity_s=1.0).datadog == (
        "embedded agent at 1 s, not the Agent's default 10 s; not Datadog's"
    )
    assert found.of(Observer.LOG) is found.verdicts[-1]
    assert replace(found, verdicts=()).of(Observer.LOG) is None


@pytest.mark.parametrize(
    ("proven", "held", "verified", "outcome"),
    [
        (True, True, None, Outcome.OK),
        (True, True, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (True, True, Outcome.FAILED, Outcome.FAILED),
        (True, False, Outcome.OK, Outcome.FAILED),
        (False, True, Outcome.OK, Outcome.FAILED),
    ],
)
def test_a_run_failed_when_its_fault_was_not_there_all_the_time(
    proven: bool, held: bool, verified: Outcome | None, outcome: Outcome
) -> None:
    run = replace(RUN, proven_ns=1 if proven else None, held=held, verified=verified)
    assert run.outcome is outcome
    document = replace(assessment(), run=run).to_json()
    assert (document["ok"], document["result"]) == (outcome.ok, outcome.value)


def test_observers_that_cannot_see_a_fault_did_not_miss_it() -> None:
    """By a signal, an alert or a monitor; of a drill that is not known each verdict is shown as it is."""
    drill = replace(DEADLOCKS, alerts=(), monitors=("Deadlock",))
    verdicts = {
        observer: Verdict(observer=observer, seen=Seen.MISSED)
        for observer in (Observer.ALERTS, Observer.MONITORS, Observer.LOG)
    }
    assert [result(drill, one) for one in verdicts.values()] == ["not covered", "missed", "missed"]
    assert result(None, verdicts[Observer.ALERTS]) == "missed"
    unknown = Verdict(observer=Observer.ALERTS, seen=Seen.UNKNOWN)
    assert result(drill, unknown) == "unknown"
    shown = Verdict(observer=Observer.DBM, seen=Seen.SEEN)
    assert seen(drill, [*verdicts.values(), shown]) == "1 of 3"


def verdict(observer: Observer, after_s: float | None, seen: Seen = Seen.SEEN) -> Verdict:
    depths = (Depth.DETECTED, Depth.STATEMENT, Depth.TRACE)
    return Verdict(observer=observer, seen=seen, after_s=after_s, depths=depths)


def matrix(*verdicts: Verdict, drill: str = "deadlocks", datadog: str = "") -> Matrix:
    row = replace(assessment(drill), verdicts=verdicts, datadog=datadog)
    return Matrix(machine="m", at_ns=0, rows=(row,))


@pytest.mark.parametrize(
    ("after_s", "last"), [(0.0, 10), (8.9, 10), (9.0, 10), (9.5, 10), (10.0, 20), (25.0, 30)]
)
def test_the_plot_ends_at_the_next_ten_seconds(after_s: float, last: int) -> None:
    plot = report.plot(matrix(verdict(Observer.METRICS, after_s)))
    assert [second for _, second in plot.ticks] == list(range(0, last + 1, 10))
    assert (plot.ticks[0][0], plot.ticks[-1][0]) == (190.0, 750.0)
    assert plot.dots[0].x == 190 + 560 * after_s / last


def test_the_plot_has_a_line_for_each_drill_and_dots_side_by_side() -> None:
    first = matrix(verdict(Observer.METRICS, 2.5), verdict(Observer.LOG, 5.0)).rows
    second = matrix(verdict(Observer.APM, 5.0), drill="burst").rows
    plot = report.plot(Matrix(machine="m", at_ns=0, rows=(*first, *second)))
    assert plot.names == ((43.0, "deadlocks"), (69.0, "burst"))
    assert plot.height == 92
    assert [(dot.x, dot.y, dot.says) for dot in plot.dots] == [
        (330.0, 34.0, "deadlocks: Prometheus metrics after 2.5 s"),
        (470.0, 52.0, "deadlocks: PostgreSQL log after 5.0 s"),
        (470.0, 69.0, "burst: Datadog APM after 5.0 s"),
    ]
    assert len({dot.colour for dot in plot.dots}) == 3
    assert report.plot(Matrix(machine="m", at_ns=0, rows=())).ticks[-1] == (750.0, 10)


def test_a_cell_has_seconds_and_letters_or_the_result() -> None:
    """An observer that a run of an earlier version did not judge has a hyphen."""
    row = report.markdown(
        matrix(
            verdict(Observer.METRICS, 12.4), Verdict(observer=Observer.DBM, seen=Seen.MISSED),
            Verdict(observer=Observer.ALERTS, seen=Seen.UNKNOWN),
        )
    ).splitlines()[2]  # fmt: skip
    assert row == "| `deadlocks` | **12 s** ST | unknown | missed | - | - | - | - |"


def test_a_matrix_names_all_senders_of_datadogs_data() -> None:
    rows = [*matrix(datadog="b").rows, *matrix(datadog="a").rows, *matrix(datadog="b").rows]
    assert Matrix(machine="m", at_ns=0, rows=(*rows, *matrix().rows)).datadog == "a or b"
    assert matrix().datadog == ""


class Flushed(NoTracing):
    """Tracing that counts its flushes."""

    times = 0

    def flush(self) -> None:
        self.times += 1


def test_the_spans_of_a_drill_are_sent_when_its_sessions_have_ended() -> None:
    """They would otherwise arrive after the verdict, or never."""
    tracing = Flushed()
    sessions = DrillSessions(settings_for(port=1, database="none"), tracing)
    assert tracing.times == 0
    sessions.end()
    assert tracing.times == 1


def write(place: DrillFiles, *steps: tuple[str, str, int]) -> None:
    lines = [
        msgspec.json.encode(Entry(at_ns=at_ns, run=run, drill="d", step=step, detail="{}"))
        for run, step, at_ns in steps
    ]
    place.journal.parent.mkdir(parents=True)
    place.journal.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, 5, []), (0, 6, ["a"]), (8, 20, ["a"]), (9, 20, []), (9, 21, ["b"]), (99, 100, ["b"]),
        (0, 99, ["b", "a"]),
    ],
)  # fmt: skip
def test_a_run_is_in_a_window_while_its_fault_may_be_there(
    tmp_path: Path, since: int, until: int, found: list[str]
) -> None:
    """From the injection to the heal, both moments excluded; without a heal in each later window."""
    place = DrillFiles(Paths(state=tmp_path))
    write(place, ("a", "inject", 5), ("a", "heal", 7), ("a", "healed", 9), ("b", "inject", 20))
    assert [past.run for past in History(place).between(since, until)] == found


def test_lines_of_the_journal_that_cannot_be_a_step_are_skipped(tmp_path: Path) -> None:
    """Times before 1970 or beyond 64 bits, and ids that are no name of a file."""
    place = DrillFiles(Paths(state=tmp_path))
    write(
        place, ("a", "inject", -1), ("b", "inject", 0), ("c", "inject", LATEST_NS),
        ("d", "inject", LATEST_NS - 1), ("../e", "inject", 1), ("f" * 64, "inject", 1),
        ("g" * 65, "inject", 1),
    )  # fmt: skip
    with place.journal.open("ab") as file:
        file.write(b'\n{"at_ns":1,"run":"h","drill":"d","step":"inject","detail":"[]"}')
    runs = [entry.run for entry in Journal(place.journal).entries()]
    assert runs == ["b", "d", "f" * 64]


def test_a_drill_is_found_by_its_name_in_any_spelling() -> None:
    assert find(" Row_Lock chain ").name == "row-lock-chain"
    assert find("DEADLOCK").name == "deadlocks"
    with pytest.raises(UnknownDrillError, match="did you mean deadlocks"):
        find("deadlokcs")
