"""Runs drills to their verdicts: one, several in a row, or in random order; each step is reported."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from lab import verify
from lab.datadog.account import Account
from lab.drills import matrix, reporting, runner, series, tracing
from lab.drills.assessment import Assessment, assess
from lab.drills.catalogue import DRILLS
from lab.drills.drill import Drill
from lab.drills.reporting import DrillReport
from lab.drills.runner import Options, Run
from lab.drills.running import DrillFiles
from lab.drills.series import DrillSeries
from lab.drills.summary import detections
from lab.foundation.errors import LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.verify import Report


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

    return series.follow(drills, run=run, settle=settle, reporter=reporter)


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
    from lab.drills.announcing import announce  # noqa: PLC0415 - Datadog's client loads slowly

    try:
        announce(Account.of(settings), drill, done)
    except LabError as error:
        reporter.done("not announced", str(error).splitlines()[0])
    else:
        reporter.done("announced", f"as an event at {settings.dd_site}")
