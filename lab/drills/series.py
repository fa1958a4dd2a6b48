"""Several drills, one after the other: a drill that cannot be run loses its row and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.drills.assessment import Assessment
from lab.drills.drill import Drill
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.reporter import Reporter

# After so many in a row the lab is the cause, not the drills.
GIVE_UP_AFTER = 3


@dataclass(frozen=True, kw_only=True)
class DrillSeries:
    """The runs that were judged, and why each of the others was not."""

    assessments: tuple[Assessment, ...]
    failed: tuple[str, ...]


def follow(
    drills: Sequence[Drill],
    *,
    run: Callable[[Drill], Assessment],
    settle: Callable[[int, Drill], None],
    reporter: Reporter,
) -> DrillSeries:
    """Run the drills in their order; stop after three in a row that cannot be run.

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
