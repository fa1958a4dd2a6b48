"""Several drills in a row: what one that cannot be run does to the others."""

from collections.abc import Callable

import pytest

from lab.drills import runs
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.drill import Drill
from lab.foundation.errors import DatabaseUnreachableError, LabError
from tests.fix_reporter import RecordedReporter
from tests.unit.test_drills import assessment

CHOSEN = list(DRILLS.values())[:7]
NAMES = [drill.name for drill in CHOSEN]


def failing(*names: str) -> Callable[[Drill], Assessment]:
    """Runs every drill, in no time, but these."""

    def run(drill: Drill) -> Assessment:
        if drill.name in names:
            raise DatabaseUnreachableError("No PostgreSQL answers.\nLook at `status`.")
        return assessment(drill.name, injected_ns=NAMES.index(drill.name))

    return run


def follow(
    run: Callable[[Drill], Assessment],
) -> tuple[runs.DrillSeries, list[tuple[str, int]], RecordedReporter]:
    """Return the result of the seven, the waits with their start, and what was reported."""
    waits: list[tuple[str, int]] = []
    reporter = RecordedReporter()
    found = runs.follow(
        CHOSEN,
        run=run,
        settle=lambda healed_ns, drill: waits.append((drill.name, healed_ns)),
        reporter=reporter,
    )
    return found, waits, reporter


def test_each_waits_for_the_heal_of_the_one_before() -> None:
    found, waits, reporter = follow(failing())
    assert [row.run.drill for row in found.assessments] == NAMES
    assert not found.failed
    assert waits == [(name, number + 2) for number, name in enumerate(NAMES[1:])]
    assert reporter.ends == [f"{n} of 7 {name}" for n, name in enumerate(NAMES, start=1)]


def test_one_that_cannot_be_run_costs_its_row() -> None:
    """And the next one waits as if it had left something."""
    found, waits, reporter = follow(failing(NAMES[2], NAMES[4]))
    assert [row.run.drill for row in found.assessments] == [*NAMES[:2], NAMES[3], *NAMES[5:]]
    assert [said.partition(":")[0] for said in found.failed] == [NAMES[2], NAMES[4]]
    assert dict(waits)[NAMES[3]] > 7
    assert reporter.ends.count("not run No PostgreSQL answers.") == 2


def test_a_lab_that_is_down_from_the_beginning_is_an_error() -> None:
    with pytest.raises(LabError, match="No PostgreSQL answers"):
        follow(failing(*NAMES))


def test_after_three_in_a_row_the_rest_is_not_tried() -> None:
    """What was measured before is kept."""
    found, waits, _ = follow(failing(*NAMES[2:]))
    assert [row.run.drill for row in found.assessments] == NAMES[:2]
    assert found.failed[-2:] == (f"{NAMES[5]}: not tried", f"{NAMES[6]}: not tried")
    assert len(waits) == 4
