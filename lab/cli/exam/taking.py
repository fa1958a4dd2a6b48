"""`exam start`, `status`, `kinds`, `hint`, `answer` and `stop`: what a player does."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lab.cli.views import exam as view
from lab.exam import doors, form, session, starting
from lab.exam.ending import Result
from lab.exam.errors import FormError
from lab.exam.form import Answer
from lab.exam.items import MAX_SEED, TEMPLATES
from lab.foundation.settings import LabSettings
from lab.stack.backend import Mode
from lab.stack.mode import current, running_settings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import Screen, err, out, print_result

Object = Annotated[str, typer.Option(help="A statement, queryid, table, index or component.")]
Culprit = Annotated[str, typer.Option(help="An application, a service or the pid of a session.")]
MAX_FORM_BYTES = 100_000
IN_CONTAINERS = (
    "The lab runs in containers: the pages of Prometheus and Grafana are not closed,\n"
    "  and the debrief does not show what each observer had."
)


def start(
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed has the same fault; by default it is secret.", min=0, max=MAX_SEED
        ),
    ] = None,
    item: Annotated[
        int | None,
        typer.Option(
            help="A template by its number, instead of the seed's choice.",
            min=0,
            max=len(TEMPLATES) - 1,
        ),
    ] = None,
    observers: Annotated[
        str,
        typer.Option(
            "--with", help="prometheus, datadog, apm, log, sql, several, or all.", metavar="A,B"
        ),
    ] = doors.ALL,
    minutes: Annotated[
        float,
        typer.Option(help="Time for the answer; 1 to 120.", parser=number(1, 120), metavar="N"),
    ] = 15.0,
    as_json: AsJson = False,
) -> None:
    """Start an exam; returns when its clock runs."""
    options = starting.Options(
        seed=seed, number=item, doors=doors.parse(observers), minutes=minutes
    )
    settings = running_settings(LabSettings.load())
    if current(settings).mode is Mode.DOCKER:
        err.print(f"  {IN_CONTAINERS}")
    with interruptible(), Screen() as screen:
        record = starting.start(settings, options, screen)
    print_result(lambda: msgspec.to_builtins(record), lambda: view.begun(record), as_json=as_json)


def status(as_json: AsJson = False) -> None:
    """Show the running exam, its doors and its clock."""
    record = session.current(running_settings(LabSettings.load()))
    if as_json:
        out.print_json(data=msgspec.to_builtins(record))
    elif record is None:
        err.print("  No exam is running. Start one: ./creditlab exam start")
    else:
        out.print(view.begun(record))


def kinds(as_json: AsJson = False) -> None:
    """Show the kinds of faults that an answer may name."""
    print_result(view.kind_rows, view.kinds, as_json=as_json)


def hint() -> None:
    """Show a hint; each costs a tenth of the score."""
    out.print(f"  {session.hint(running_settings(LabSettings.load())).text}")


def answer(
    kind: Annotated[str, typer.Argument(help="See `./creditlab exam kinds`.")] = "",
    *,
    object_: Annotated[
        str, typer.Option("--object", help="A statement, queryid, table, index or component.")
    ] = "",
    culprit: Culprit = "",
    chain: Annotated[
        str, typer.Option(help="Pids of a blocking chain, its head last.", metavar="A,B")
    ] = "",
    onset: Annotated[
        str, typer.Option(help="When it began, in UTC: 2026-11-28T19:03:26.", metavar="TIME")
    ] = "",
    also: Annotated[str, typer.Option(help="The kind of a second fault.", metavar="KIND")] = "",
    also_object: Object = "",
    also_culprit: Culprit = "",
    confidence: Annotated[
        float,
        typer.Option(help="Your probability of being right.", parser=number(0, 1), metavar="0..1"),
    ] = 0.5,
    evidence: Annotated[
        str,
        typer.Option(help=f"References that you have opened: {form.REFERENCES}.", metavar="A,B"),
    ] = "",
    filled: Annotated[
        Path | None,
        typer.Option("--form", help="The whole form as JSON; - is standard input.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Submit the answer; shows the score and the truth.

    Exit status 1 when the score is below a half, 2 when the exam is void.
    """  # fmt: skip
    if (filled is None) == (not kind):
        raise FormError(
            "Expected: the kind of fault, or --form FILE.\nKinds: ./creditlab exam kinds"
        )
    if filled is not None:
        given = _read(filled)
    else:
        findings = [_finding(kind, object_, culprit, chain, onset)]
        if also:
            findings.append(_finding(also, also_object, also_culprit, "", onset))
        document = {
            "findings": findings,
            "confidence": confidence,
            "evidence": _listed(evidence),
        }
        given = form.decode(msgspec.json.encode(document))
    settings = running_settings(LabSettings.load())
    with Screen() as screen:
        result = session.answer(settings, given, screen)
    _show(result, as_json=as_json)


def stop(as_json: AsJson = False) -> None:
    """End the exam without an answer, or heal a killed one."""
    with Screen() as screen:
        result = session.stop(running_settings(LabSettings.load()), screen)
    if result is None:
        err.print("  No exam is running, and no fault of an exam is left.")
    else:
        print_result(result.to_json, lambda: view.result(result), as_json=as_json)


def _show(result: Result, *, as_json: bool) -> None:
    print_result(result.to_json, lambda: view.result(result), as_json=as_json)
    score = result.grade.score
    raise typer.Exit(2 if score is None else int(score < view.PASSED))


def _read(path: Path) -> Answer:
    source = sys.stdin.buffer if str(path) == "-" else None
    try:
        content = source.read(MAX_FORM_BYTES) if source else path.read_bytes()[:MAX_FORM_BYTES]
    except OSError as error:
        raise FormError(f"The form {path} cannot be read: {error.strerror}.") from None
    return form.decode(content)


def _finding(kind: str, name: str, culprit: str, chain: str, onset: str) -> dict[str, object]:
    return {
        "kind": kind,
        "object": name,
        "culprit": culprit,
        "chain": _listed(chain),
        "onset": onset,
    }


def _listed(given: str) -> list[str]:
    return [each.strip() for each in given.split(",") if each.strip()]
