"""Exams, rendered for a terminal."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.exam.doors import describe
from lab.exam.place import Record, State
from lab.exam.scoring import WEIGHTS
from lab.exam.session import seconds_left
from lab.exam.vocabulary import KINDS
from lab.foundation.plural import plural
from lab.foundation.timestamps import moment

if TYPE_CHECKING:
    from lab.exam.checking import Checked
    from lab.exam.ending import Result
    from lab.exam.experiment import Experiment

PASSED = 0.5


def begun(record: Record) -> RenderableType:
    """Return the public record of a running exam, and what the player can do."""
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_row("exam", Text(record.exam, style="bold"))
    if record.state is State.RUNNING:
        minutes, seconds = divmod(ceil(seconds_left(record)), 60)
        lines.add_row("time left", f"{minutes} min {seconds:02} s of {record.minutes:g}")
    else:
        lines.add_row("state", record.state.value)
    lines.add_row("open doors", describe(record.doors))
    lines.add_row("commitment", record.commitment)
    lines.add_row("", "Something may be wrong with the database or a service, or nothing is.")
    lines.add_row(
        "answer",
        "./creditlab exam answer KIND --object NAME --culprit NAME, or /exam in the console",
    )
    lines.add_row("kinds", "./creditlab exam kinds")
    return Padding(lines, (0, 2), expand=False)


def kind_rows() -> list[dict[str, str]]:
    """Return the kinds with their families, for `--json`."""
    return [{"kind": k, "family": family, "says": says} for k, (family, says) in KINDS.items()]


def kinds() -> RenderableType:
    """Return one line for each kind."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("kind", "family", "fault"):
        lines.add_column(heading)
    for kind, (family, says) in KINDS.items():
        lines.add_row(Text(kind, style="bold"), family, says)
    return Padding(lines, (0, 2), expand=False)


def results(found: Sequence["Result"]) -> RenderableType:
    """Return one line for each exam."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("exam", "began (UTC)", "doors", "fault", "score", "result"):
        lines.add_column(heading, overflow="fold")
    for each in found:
        item = each.log.seal.item.template if each.log.seal else "not revealed"
        lines.add_row(
            Text(each.log.exam, style="bold"),
            f"{moment(each.log.started_ns):%Y-%m-%d %H:%M}",
            describe(each.log.doors),
            item,
            _score(each),
            each.grade.says,
        )
    return Padding(lines, (0, 2), expand=False)


def result(found: "Result") -> RenderableType:
    """Return an exam that is over: score, components, truth, notes."""
    log, grade = found.log, found.grade
    heading = Text.assemble((_score(found), "bold"), f"  {grade.says}")
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for fault in log.faults:
        facts.add_row("fault", f"{fault.kind} of {', '.join(fault.objects[:2])}")
        facts.add_row("culprit", ", ".join(fault.culprits[:3]))
        facts.add_row("onset", f"{moment(fault.onset_ns):%Y-%m-%dT%H:%M:%S} UTC")
    if log.seal and not log.faults:
        facts.add_row("fault", "nothing was wrong")
    for proof in log.proofs:
        facts.add_row("proof", proof)
    for note in log.notes:
        facts.add_row("note", note)
    facts.add_row(
        "doors",
        f"{describe(log.doors)}; {plural(grade.requests, 'request')}, {plural(grade.hints, 'hint')}",
    )
    facts.add_row("false findings", ", ".join(grade.false_positives) or "none")
    facts.add_row("verify", found.verified)
    parts: list[RenderableType] = [heading, facts]
    for each in grade.faults:
        parts.append(Text(f"\n{each.kind}: answered {each.answered or 'nothing'}", style="bold"))
        parts.append(
            Text(
                f"Credit for the class {each.credit:.1f}, times the weighted mean of what applies.",
                style="dim",
            )
        )
        parts.append(_components(each.components))
    parts.append(
        Text(
            f"\n./creditlab exam report {log.exam} --html FILE shows it second by second.",
            style="dim",
        )
    )
    return Padding(Group(*parts), (0, 2), expand=False)


def checked(found: Sequence["Checked"]) -> RenderableType:
    """Return one line for each item that was run."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("item", "", "proven after", "right answer", "result"):
        lines.add_column(heading, overflow="fold")
    for each in found:
        lines.add_row(
            str(each.number),
            each.template,
            "" if each.proven_s is None else f"{each.proven_s:.0f} s",
            "" if each.oracle is None else f"{each.oracle:.0%}",
            Text(each.problem, style="red") if each.problem else each.verified,
        )
    return Padding(lines, (0, 2), expand=False)


def experiment(found: "Experiment") -> RenderableType:
    """Return one line for each selection of doors, then the items that none solves."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("doors", "items", "solved", "95 %", "score", "seconds", "requests"):
        lines.add_column(heading, overflow="fold")
    for row in found.rows:
        lines.add_row(
            "+".join(row.doors),
            str(row.trials),
            f"{row.solved:.0%}",
            f"{row.low:.0%} to {row.high:.0%}",
            f"{row.score:.2f}",
            "" if row.seconds is None else f"{row.seconds:.0f}",
            f"{row.requests:.0f}",
        )
    unsolved = Text(f"Solved by no selection: {', '.join(found.unsolved) or 'none'}", style="dim")
    void = Text(f"Void: {', '.join(found.void) or 'none'}", style="dim")
    return Padding(Group(lines, unsolved, void), (0, 2), expand=False)


def _components(components: dict[str, float]) -> Table:
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("component", "weight", "reached", "measures"):
        lines.add_column(heading)
    for name, reached in components.items():
        weight, says = WEIGHTS[name]
        lines.add_row(name, f"{weight:.2f}", f"{reached:.2f}", says)
    return lines


def _score(found: "Result") -> str:
    return "void" if found.grade.score is None else f"{found.grade.score:.0%}"
