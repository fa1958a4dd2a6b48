"""Drills and verdicts, rendered for a terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.drills.catalogue import DRILLS
from lab.drills.coverage import NOT_COVERED, result
from lab.foundation.processors import MAX_STOLEN
from lab.foundation.timestamps import moment
from lab.judge.evidence import TITLES, Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import LEGEND, LETTERS, Verdict

if TYPE_CHECKING:
    from lab.drills.assessment import Assessment
    from lab.drills.drill import Drill
    from lab.drills.matrix import Matrix
    from lab.drills.quiet import Watch
    from lab.judge.signals import Signal

MARKS = {
    Seen.SEEN.value: ("● seen", "green"),
    Seen.MISSED.value: ("○ missed", "red"),
    Seen.UNKNOWN.value: ("? unknown", "yellow"),
    NOT_COVERED: ("· not covered", "dim"),
}

# At most seven characters a line: seven observers fit into 80 columns.
HEADINGS = {
    Observer.METRICS: "Prom.\nmetrics",
    Observer.ALERTS: "Prom.\nalerts",
    Observer.DBM: "Datadog\nDBM",
    Observer.APM: "Datadog\nAPM",
    Observer.CHECK: "Datadog\nmetrics",
    Observer.MONITORS: "Datadog\nmonitor",
    Observer.LOG: "\nlog",
}
CELLS = "Seconds from the proof to the first evidence; ○ missed, · not covered, ? unknown, - not judged."


def catalogue(drills: "Iterable[Drill]") -> RenderableType:
    """Return one line for each drill."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("drill", "fault", "alerts that must fire"):
        lines.add_column(heading)
    lines.add_column("duration", justify="right")
    for drill in drills:
        name = Text(drill.name, style="bold")
        for alias in drill.aliases:
            name.append(f" ({alias})", style="dim")
        lines.add_row(
            name, drill.title, Text(", ".join(drill.alerts), style="dim"), f"{drill.duration_s:g} s"
        )
    return Padding(lines, (0, 2), expand=False)


def description(drill: "Drill") -> RenderableType:
    """Return the description of a drill: hypothesis, roles, alerts, expected signals."""
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(max_width=90)
    lines.add_row("hypothesis", drill.hypothesis)
    lines.add_row("acts as", drill.acts_as)
    lines.add_row("at fault", ", ".join(sorted(drill.statements | drill.services)))
    lines.add_row("must fire", ", ".join(drill.alerts) or "no alert")
    lines.add_row("runbook", f"docs/alerts.md#{drill.runbook.lower()}")
    lines.add_row("duration", f"{drill.duration_s:g} s from proof to heal; --for changes it")
    for observer, title in TITLES.items():
        own = [_signal(signal) for signal in drill.signals if signal.observer is observer]
        if observer is Observer.MONITORS:
            own = list(drill.monitors)
        if observer is not Observer.ALERTS:
            lines.add_row(title, "\n".join(own) or Text("not covered", style="yellow"))
    heading = Text.assemble((drill.name, "bold"), "  ", drill.title)
    return Padding(Group(heading, lines), (0, 2), expand=False)


def verdicts(assessment: "Assessment") -> RenderableType:
    """Return one line for each observer."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("observer", "verdict"):
        lines.add_column(heading)
    lines.add_column("after", justify="right")
    lines.add_column("detail")
    lines.add_column("evidence", overflow="fold")
    for verdict in assessment.verdicts:
        mark, style = _mark(assessment.run.drill, verdict)
        lines.add_row(
            TITLES[verdict.observer],
            Text(mark, style=style),
            "" if verdict.after_s is None else f"{verdict.after_s:.1f} s",
            ", ".join(depth.value for depth in verdict.depths[1:]),
            Text("\n".join([*verdict.says, *_times(verdict)]), style="dim"),
        )
    notes = []
    if assessment.datadog:
        notes.append(Text(f"Datadog's data: {assessment.datadog}.", style="dim"))
    if assessment.other_alerts:
        notes.append(Text(f"Other alerts: {', '.join(assessment.other_alerts)}", style="dim"))
    return Padding(Group(lines, *notes), (1, 2), expand=False)


def matrix(found: "Matrix") -> RenderableType:
    """Return drills by observers: the verdict, seconds after the proof, and a letter for each detail."""
    if not found.rows:
        text = "No drill was judged in this lab. Run one: ./creditlab drill run row-lock-chain"
        return Padding(Text(text), (0, 2))
    lines = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    lines.add_column("\ndrill", no_wrap=True)
    for observer in TITLES:
        lines.add_column(HEADINGS[observer])
    for row in found.rows:
        cells = [_cell(row.run.drill, row.of(observer)) for observer in TITLES]
        lines.add_row(Text(row.run.drill, style="bold"), *cells)
    notes = [Text(f"{CELLS} {LEGEND}. On {found.machine}.", style="dim")]
    if found.datadog:
        notes.append(Text(f"Datadog's data: {found.datadog}.", style="dim"))
    return Padding(Group(lines, *notes), (1, 1), expand=False)


def quiet(found: "Watch") -> RenderableType:
    """Return the false positives of a lab without a fault, one line each, or that there were none."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("observer", "drill or alert", "first", "minutes"):
        lines.add_column(heading)
    lines.add_column("evidence", overflow="fold")
    for alarm in found.alarms:
        lines.add_row(
            TITLES[alarm.observer],
            Text(alarm.what, style="bold"),
            f"{moment(alarm.at_ns):%H:%M:%S} UTC",
            f"{alarm.stretches} of {found.stretches}",
            Text(alarm.says, style="dim"),
        )
    judged = f"{found.stretches} minutes, each judged as for {found.drills} faults"
    fired = f"{len(found.alarms)} false positives" if found.alarms else "no false positive"
    notes = [
        Text(f"{TITLES[observer]} had no data: {reason}", style="yellow")
        for observer, reason in found.unheard.items()
    ]
    if found.stolen > MAX_STOLEN:
        taken = f"Steal time: the host took {found.stolen:.0%} of this machine's processors"
        notes.append(Text(f"{taken}; slow statements may be real.", style="yellow"))
    return Padding(Group(*([lines] if found.alarms else []), *notes, f"{judged}: {fired}."), (1, 2))


def _mark(drill: str, verdict: Verdict) -> tuple[str, str]:
    return MARKS[result(DRILLS.get(drill), verdict)]


def _cell(drill: str, verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("-", style="dim")
    mark, style = _mark(drill, verdict)
    if verdict.after_s is None:
        return Text(mark.split()[0], style=style)
    letters = "".join(LETTERS.get(depth, "") for depth in verdict.depths)
    return Text.assemble((f"{verdict.after_s:.0f}", style), f" {letters}")


def _signal(signal: "Signal") -> str:
    needs = getattr(signal, "needs", "")
    return f"{signal.says} (needs {needs})" if needs else signal.says


def _times(verdict: Verdict) -> Sequence[str]:
    def after(seconds: float | None) -> str:
        return "never" if seconds is None else f"after {seconds:.0f} s"

    # A monitor of Datadog's has no state pending.
    pending = verdict.observer is not Observer.MONITORS
    return [
        f"{alert.name}: "
        + (f"pending {after(alert.pending_s)}, " if pending else "")
        + f"firing {after(alert.firing_s)}"
        for alert in verdict.alerts
    ]
