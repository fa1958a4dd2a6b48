"""What a drill measures by: growth since its first look, and numbers at an intensity."""

from dataclasses import replace

import pytest

from lab.drills.scene import Scene
from tests.fix_postgres import settings_for

SCENE = Scene.read_only(settings_for(port=1, database="none"))


def test_a_counters_growth_is_since_the_first_look_at_it() -> None:
    """Each key has its own beginning; the memo keeps it for another process."""
    scene = replace(SCENE, memo={})
    assert [scene.since("scans", lambda v=value: v) for value in (40, 40, 47)] == [0, 0, 7]  # type: ignore[misc]
    assert scene.since("calls", lambda: 5) == 0
    assert replace(SCENE, memo=dict(scene.memo)).since("scans", lambda: 50) == 10


@pytest.mark.parametrize(
    ("intensity", "number", "expected"), [(1.0, 6, 6), (0.5, 5, 2), (3.0, 2, 6), (0.1, 2, 1)]
)
def test_the_intensity_multiplies_and_leaves_at_least_one(
    intensity: float, number: float, expected: int
) -> None:
    assert replace(SCENE, intensity=intensity).times(number) == expected
