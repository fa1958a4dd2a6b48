"""Drills in a terminal, line by line: verdicts, the matrix, and minutes without a fault."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console, RenderableType

from lab.cli.views import drills as view
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.matrix import Matrix
from lab.drills.quiet import Watch
from lab.drills.runner import Run
from lab.foundation.processors import MAX_STOLEN
from lab.judge.evidence import Observer
from lab.judge.quiet import FalsePositive
from lab.judge.readings import Seen
from lab.judge.verdicts import LEGEND, AlertTimes, Depth, Verdict

AT_NS = round(datetime(2026, 11, 22, 10, 3, 7, tzinfo=UTC).timestamp()) * 1_000_000_000
DBM = Verdict(
    observer=Observer.DBM, seen=Seen.SEEN, after_s=12.44,
    depths=(Depth.DETECTED, Depth.STATEMENT, Depth.TRACE), says=("a lock wait",),
)  # fmt: skip
ALERTS = Verdict(
    observer=Observer.ALERTS, seen=Seen.MISSED, says=("nothing fired",),
    alerts=(AlertTimes(name="Deadlocks", pending_s=3.6, firing_s=None),),
)  # fmt: skip
RUN = Run(
    run="r", drill="deadlocks", intensity=1.0, injected_ns=AT_NS, proven_ns=AT_NS, proof="", pids=(),
    held=True, healed_ns=AT_NS,
)  # fmt: skip


def lines(printed: RenderableType) -> list[str]:
    screen = Console(file=io.StringIO(), width=200)
    screen.print(printed)
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def assessed(*other_alerts: str) -> Assessment:
    return Assessment(run=RUN, verdicts=(DBM, ALERTS), other_alerts=other_alerts)


def test_verdicts_say_when_how_exactly_and_by_what() -> None:
    """That it was detected is no depth of its own; of an alert that never fired the pending time remains."""
    expected = [
        "observer verdict after detail evidence",
        "Datadog DBM ● seen 12.4 s named the statement, linked to the trace a lock wait",
        "Prometheus alerts ○ missed nothing fired",
        "Deadlocks: pending after 4 s, firing never",
    ]
    assert lines(view.verdicts(assessed())) == expected
    assert lines(view.verdicts(assessed("ServiceDown", "Burst"))) == [
        *expected, "Other alerts: ServiceDown, Burst",
    ]  # fmt: skip


def test_the_matrix_has_a_letter_for_each_depth() -> None:
    found = Matrix(machine="2 processors", at_ns=AT_NS, rows=(assessed(),))
    assert lines(view.matrix(found)) == [
        "Prom. Prom. Datadog Datadog Datadog Datadog",
        "drill metrics alerts DBM APM metrics monitor log",
        "deadlocks - ○ 12 ST - - - -",
        f"{view.CELLS} {LEGEND}. On 2 processors.",
    ]


def test_a_lab_without_runs_has_no_matrix_but_the_next_step() -> None:
    assert lines(view.matrix(Matrix(machine="2 processors", at_ns=AT_NS, rows=()))) == [
        "No drill was judged in this lab. Run one: ./creditlab drill run row-lock-chain"
    ]


def test_the_matrix_fits_into_eighty_columns() -> None:
    """With all observers and every drill: no cell but one of a hundred seconds is folded, no heading cut."""
    seen = Verdict(observer=Observer.DBM, seen=Seen.SEEN, after_s=99.4, depths=tuple(Depth))
    rows = tuple(
        Assessment(
            run=replace(RUN, drill=name),
            verdicts=tuple(replace(seen, observer=observer) for observer in Observer),
            other_alerts=(),
        )
        for name in DRILLS
    )
    screen = Console(file=io.StringIO(), width=80)
    screen.print(view.matrix(Matrix(machine="2 processors", at_ns=AT_NS, rows=rows)))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert text.count("99 SCPT") == len(DRILLS) * len(Observer)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_a_monitor_has_no_pending_state() -> None:
    fired = Verdict(
        observer=Observer.MONITORS, seen=Seen.SEEN, after_s=20.0, depths=(Depth.DETECTED,),
        says=("Deadlock fired",), alerts=(AlertTimes(name="Deadlock", pending_s=20.0, firing_s=20.0),),
    )  # fmt: skip
    shown = lines(view.verdicts(Assessment(run=RUN, verdicts=(fired,), other_alerts=())))
    assert shown[-1] == "Deadlock: firing after 20 s"


def watched(**fields: object) -> Watch:
    known = {
        "since_ns": AT_NS, "until_ns": AT_NS, "stretches": 2, "drills": 20, "alarms": (), "unheard": {},
        "stolen": 0.0,
    }  # fmt: skip
    return Watch(**{**known, **fields})  # type: ignore[arg-type]


def test_minutes_without_a_fault_show_false_positives() -> None:
    alarm = FalsePositive(
        observer=Observer.DBM, what="burst", says="many calls", at_ns=AT_NS, stretches=2
    )
    judged = "2 minutes, each judged as for 20 faults"
    assert lines(view.quiet(watched())) == [f"{judged}: no false positive."]
    assert lines(view.quiet(watched(alarms=(alarm,)))) == [
        "observer drill or alert first minutes evidence",
        "Datadog DBM burst 10:03:07 UTC 2 of 2 many calls",
        f"{judged}: 1 false positives.",
    ]
    unheard = watched(unheard={Observer.LOG: "it delivered nothing"})
    assert lines(view.quiet(unheard))[0] == "PostgreSQL log had no data: it delivered nothing"


@pytest.mark.parametrize(("stolen", "shown"), [(MAX_STOLEN, 1), (MAX_STOLEN + 0.01, 2)])
def test_processor_time_that_the_host_took_is_noted(stolen: float, shown: int) -> None:
    found = lines(view.quiet(watched(stolen=stolen)))
    assert len(found) == shown
    assert "Steal time: the host took 6% of this machine's processors" in found[0] or shown == 1
