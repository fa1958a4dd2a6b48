"""Runs drills to their verdicts: one, several in a row, or in random order; each step is reported."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from lab import verify
from lab.datadog.account import Account
from lab.datadog.definitions import PROJECT
from lab.drills import matrix, reporting, runner, tracing
from lab.drills.assessment import Assessment, assess
from lab.drills.catalogue import DRILLS
from lab.drills.drill import Drill
from lab.drills.reporting import DrillReport
from lab.drills.runner import Options, Run
from lab.drills.running import DrillFiles
from lab.drills.summary import detections
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.verify import Report

# After so many in a row the lab is the cause, not the drills.
GIVE_UP_AFTER = 3


@dataclass(frozen=True, kw_only=True)
class DrillSeries:
    """The runs that were judged, and why each of the others was not."""

    assessments: tuple[Assessment, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VerifiedSeries:
    """A series of drills, and what verify found after the last one."""

    series: DrillSeries
    verified: Report

    @property
    def problems(self) -> list[str]:
        """What failed: drills that could not be run, faults and alerts that were not present, checks."""
        unmet = matrix.unmet(self.series.assessments)
        failed = [f"verify failed: {name}" for name in self.verified.failed]
        return [*self.series.failed, *unmet, *failed]

    @property
    def outcome(self) -> Outcome:
        """Failed when anything failed; else the outcome of verify."""
        return Outcome.FAILED if self.problems else self.verified.outcome


def to_verdicts(
    drills: Sequence[Drill], settings: LabSettings, *, options: Options, reporter: Reporter
) -> DrillSeries:
    """Run drills in their order, each to its verdicts.

    Raises:
        LabError: when the first one cannot be run.
    """
    traced = tracing.start(settings)

    def run(drill: Drill) -> Assessment:
        done = runner.run(drill, settings, options=options, reporter=reporter, tracing=traced)
        _announce(drill, done, reporter)
        assessed = assess(drill, done, settings, reporter)
        reporting.send(settings, DrillReport(detections=detections(DrillFiles(Paths.of(settings)))))
        return assessed

    def settle(healed_ns: int, following: Drill) -> None:
        # Imported here: it evaluates the monitors, and a single drill has no following one.
        from lab.drills import settling  # noqa: PLC0415

        settling.settle(healed_ns, following, settings, reporter)

    return follow(drills, run=run, settle=settle, reporter=reporter)


def follow(
    drills: Sequence[Drill],
    *,
    run: Callable[[Drill], Assessment],
    settle: Callable[[int, Drill], None],
    reporter: Reporter,
) -> DrillSeries:
    """Run the drills in their order; stop after three in a row that cannot be run.

    A drill that cannot be run loses its row and nothing else.

    Args:
        drills: the drills to run.
        run: runs a drill to its verdicts.
        settle: waits from the end of a fault, in nanoseconds since 1970, until the next may start.
        reporter: receives the progress.

    Raises:
        LabError: when the first one cannot be run: nothing is lost yet.
    """
    assessments: list[Assessment] = []
    failed: list[str] = []
    healed_ns, in_a_row = None, 0
    for number, drill in enumerate(drills, start=1):
        if in_a_row == GIVE_UP_AFTER:
            failed.append(f"{drill.name}: not tried")
            continue
        if len(drills) > 1:
            reporter.done(f"{number} of {len(drills)}", drill.name)
        if healed_ns is not None:
            settle(healed_ns, drill)
        try:
            assessments.append(run(drill))
            healed_ns, in_a_row = assessments[-1].run.healed_ns, 0
        except LabError as error:
            if not assessments:
                raise
            failed.append(f"{drill.name}: {error}")
            reporter.done("not run", str(error).splitlines()[0])
            healed_ns, in_a_row = clock.now_ns(), in_a_row + 1
    return DrillSeries(assessments=tuple(assessments), failed=tuple(failed))


def verified(
    drills: Sequence[Drill], settings: LabSettings, *, options: Options, reporter: Reporter
) -> VerifiedSeries:
    """Run drills in their order, each to its verdicts, then verify once.

    Raises:
        LabError: when the first one cannot be run.
    """
    done = to_verdicts(drills, settings, options=options, reporter=reporter)
    reporter.begin("verify")
    report = verify.run(settings, progress=reporter.wait)
    return VerifiedSeries(series=done, verified=report)


def at_random(
    settings: LabSettings, *, seed: int, every_s: float, options: Options, reporter: Reporter
) -> Iterator[Assessment]:
    """Yield the verdicts of drills in random order, without end, with a pause between two.

    Raises:
        LabError: when one cannot be run.
    """
    drawn = random.Random(seed)
    while True:
        chosen = [drawn.choice(list(DRILLS.values()))]
        yield from to_verdicts(chosen, settings, options=options, reporter=reporter).assessments
        Event().wait(every_s)


def _announce(drill: Drill, done: Run, reporter: Reporter) -> None:
    """Post an event to the Datadog account, if keys are set; a failure does not fail the drill."""
    settings = DatadogSettings.load()
    if settings.dd_api_key is None or settings.dd_app_key is None:
        return
    try:
        announce(Account.of(settings), drill, done)
    except LabError as error:
        reporter.done("not announced", str(error).splitlines()[0])
    else:
        reporter.done("announced", f"as an event at {settings.dd_site}")


def announce(account: Account, drill: Drill, run: Run) -> None:
    """Post an event for a run to a Datadog account, dated at its injection.

    Raises:
        LabError: when Datadog refuses or does not answer.
    """
    from lab.datadog.api import Api  # noqa: PLC0415 - Datadog's client loads slowly

    proof = f"Proven in PostgreSQL: {run.proof}" if run.proven_ns else f"Not proven: {run.proof}"
    seconds = (run.healed_ns - run.injected_ns) / NS_PER_S
    with Api(account) as api:
        api.event(
            title=f"Drill {drill.name}: {drill.title}",
            text=f"{proof}. Healed after {seconds:.0f} s. Runbook: docs/alerts.md#{drill.runbook.lower()}",
            at_s=run.injected_ns // NS_PER_S,
            tags=[PROJECT, f"drill:{drill.name}", f"run:{run.run}"],
        )
