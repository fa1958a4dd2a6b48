"""`/drills` and `/drills/{run}`: injected faults, and which observers detected them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request

from lab.console import overview
from lab.console.pages import asking, evidence
from lab.console.pages.cause import of_run
from lab.console.pages.faults import bands, history
from lab.console.pages.overview import load_chart
from lab.console.pages.site import Page
from lab.drilldown import Drilldown, NotFoundError
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.coverage import is_covered, seen
from lab.drills.history import Past, latest
from lab.drills.journal import Step
from lab.drills.report import letters
from lab.foundation import clock
from lab.foundation.outcome import Outcome
from lab.foundation.timestamps import NS_PER_S, moment
from lab.judge.evidence import TITLES, Observer
from lab.judge.verdicts import LEGEND, Verdict

LIMIT = 100
# Time before and after the fault in a run's chart.
AROUND = timedelta(minutes=1)
# A heal of so many seconds is normal; after it, the runner has probably been killed.
OVERDUE_S = 60.0
OBSERVERS = {observer.value: title for observer, title in TITLES.items()}
STEPS: dict[str, str] = {
    Step.INJECT: "injected",
    Step.PROVEN: "proven",
    Step.NOT_PROVEN: "not proven",
    Step.HEAL: "healing",
    Step.HEALED: "healed",
    Step.NOT_HEALED: "not healed",
    Step.FOUND: "found after its runner was killed",
    Step.VERIFIED: "verified",
    Step.VERDICT: "judged",
}
# Texts for lines of the journal without one.
VERIFIED = {
    Outcome.OK: "totals match the database",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "unknown",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A run in the list; `verdicts` by observer, empty when there are none."""

    run: str
    drill: str
    title: str
    at: datetime
    healed: datetime | None
    proven: bool
    verdicts: dict[Observer, Verdict]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a run's journal, as text."""

    at: datetime
    step: str
    detail: str
    bad: bool


def listed(drilldown: Drilldown, request: Request) -> Page:
    """List the runs: the latest of each drill, or all of them."""
    journal = history(drilldown)
    runs = journal.runs()
    everything = bool(request.query_params.get("all"))
    shown = (runs if everything else latest(runs))[:LIMIT]
    judged = [(past, journal.judged(past)) for past in shown]
    senders = sorted({found.datadog for _, found in judged if found and found.datadog})
    last = {past.drill: past for past in latest(runs)}
    values = {
        "catalogue": [
            (drill, _row(past, journal.judged(past)) if (past := last.get(name)) else None)
            for name, drill in DRILLS.items()
        ],
        "running": [progress(past) for past in runs[:1] if past.healed_ns is None],
        "covered": _covered,
        "seen": seen,
        "there": journal.is_there,
        "everything": everything,
        "rows": [_row(past, found) for past, found in judged],
        "datadog": " or ".join(senders),
        "observers": TITLES,
        "letters": letters,
        "legend": LEGEND,
        "known": len(DRILLS),
    }
    return Page(template="drills.html", values=values)


def one(drilldown: Drilldown, request: Request) -> Page:
    """Show one run: what was injected, the proof, the evidence, the recovery.

    Raises:
        NotFoundError: when the journal does not have it.
    """
    journal, run = history(drilldown), request.path_params["run"]
    past = journal.run(run)
    if past is None:
        raise NotFoundError(
            f"The journal of drills has no run {run[:40]}.\n/drills lists all runs."
        )
    judged = journal.judged(past)
    begin = moment(past.began_ns)
    end = clock.now() if past.healed_ns is None else moment(past.healed_ns)
    since, until = begin - AROUND, end + AROUND
    load = asking.attempt(
        lambda: overview.database_load(drilldown.reader, since=since, until=until)
    )
    drill = DRILLS.get(past.drill)
    values = {
        "row": _row(past, judged),
        "drill": drill,
        "progress": progress(past) if past.healed_ns is None else None,
        "covered": _covered,
        "evidence": asking.attempt(lambda: evidence.links(drilldown, drill, begin, end)),
        "judged": judged,
        "cause": asking.attempt(lambda: of_run(drilldown, drill, begin, end)).value,
        "proof": _text(past, Step.PROVEN) or _text(past, Step.NOT_PROVEN),
        "intensity": _detail(past, Step.INJECT).get("intensity"),
        "lines": [_line(entry.at_ns, entry.step, entry.detail) for entry in past.steps],
        "observers": TITLES,
        "load": load,
        "load_chart": load_chart(load.value, bands(drilldown, since, until))
        if load.value
        else None,
    }
    return Page(template="drill.html", values=values)


def progress(past: Past) -> str:
    """Return the state of a run that is not healed yet, with the seconds that are left.

    A runner of an older version did not write the duration into the journal.
    """
    proven = past.at(Step.PROVEN)
    if past.at(Step.HEAL):
        return f"{past.drill}: healing"
    if proven is None:
        return f"{past.drill}: injected, waiting for the proof"
    given = _detail(past, Step.INJECT).get("duration_s")
    known = DRILLS.get(past.drill)
    lasts_s = float(given) if isinstance(given, int | float) else known.duration_s if known else 0.0
    left_s = lasts_s - (clock.now_ns() - proven.at_ns) / NS_PER_S
    if left_s < -OVERDUE_S:
        return f"{past.drill}: not healed; ./creditlab drill stop heals it"
    return f"{past.drill}: running, {max(left_s, 0):.0f} s left"


def _covered(drill: str, observer: Observer) -> bool:
    return is_covered(DRILLS.get(drill), observer)


def _row(past: Past, judged: Assessment | None) -> Row:
    known = DRILLS.get(past.drill)
    verdicts: Sequence[Verdict] = judged.verdicts if judged else ()
    return Row(
        run=past.run,
        drill=past.drill,
        title=known.title if known else "unknown in this version of the lab",
        at=moment(past.began_ns),
        healed=None if past.healed_ns is None else moment(past.healed_ns),
        proven=past.at(Step.PROVEN) is not None,
        verdicts={verdict.observer: verdict for verdict in verdicts},
    )


def _line(at_ns: int, step: str, detail: str) -> Line:
    # Another version of the lab may have written steps that this one does not know.
    known = msgspec.json.decode(detail)
    text = str(known.get("says", ""))
    bad = step in {Step.NOT_PROVEN, Step.NOT_HEALED}
    if step == Step.VERDICT.value:
        text = "; ".join(f"{OBSERVERS.get(o, o)} {seen}" for o, seen in known.items())
    elif step == Step.VERIFIED.value:
        # Only True is a passed check: None, or a missing value, is unknown.
        outcome = Outcome.of(known.get("ok") if isinstance(known.get("ok"), bool) else None)
        text = text or VERIFIED[outcome]
        bad = outcome is not Outcome.OK
    return Line(at=moment(at_ns), step=STEPS.get(step, step), detail=text, bad=bad)


def _detail(past: Past, step: Step) -> dict[str, object]:
    entry = past.at(step)
    found: dict[str, object] = msgspec.json.decode(entry.detail) if entry else {}
    return found


def _text(past: Past, step: Step) -> str:
    return str(_detail(past, step).get("says", ""))
