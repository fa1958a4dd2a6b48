"""Exercises: one for each drill; the symptom does not name the fault; hints, answer and booklet."""

import tomllib

import pytest

from lab.drills.catalogue import DRILLS
from lab.foundation.errors import LabError
from lab.learn import exercises
from lab.learn.exercises import Exercise, exercise


def test_each_drill_has_an_exercise_and_no_prose_is_left_over() -> None:
    prose = tomllib.loads(exercises.PROSE.read_text(encoding="utf-8"))
    assert prose.keys() == DRILLS.keys()
    assert [each.drill for each in exercises.exercises()] == list(DRILLS)
    assert [each.number for each in exercises.exercises()] == list(range(1, len(DRILLS) + 1))


@pytest.mark.parametrize("found", exercises.exercises(), ids=lambda each: each.drill)
def test_an_exercise_begins_with_a_symptom_that_does_not_name_the_fault(found: Exercise) -> None:
    """Neither the drill's name, nor its statements, nor its alerts; the answer has them."""
    drill = DRILLS[found.drill]
    for name in (drill.name, drill.name.replace("-", " "), *drill.statements, *drill.alerts):
        assert name.lower() not in found.symptom.lower()
    assert found.places
    assert found.hints
    assert all(alert in " ".join(found.hints) for alert in drill.alerts)
    assert drill.hypothesis in found.answer
    assert found.next.endswith((".", "?"))


def test_an_exercise_is_found_by_number_name_or_alias() -> None:
    assert exercise("1").drill == exercise("row-lock-chain").drill == exercise("blocking").drill
    with pytest.raises(LabError, match="There is no exercise 99: they have the numbers 1 to"):
        exercise("99")
    with pytest.raises(LabError, match="There is no exercise 100:"):
        exercise("100")
    with pytest.raises(LabError, match="drill"):
        exercise("no-such-drill")


def test_the_booklet_has_all_answers_after_all_symptoms() -> None:
    page = exercises.booklet(exercises.exercises())
    symptoms, answers = page.split('<h1 class="answers">')
    for each in exercises.exercises():
        assert f"Exercise {each.number}<" in symptoms
        assert each.command in answers
        assert each.command not in symptoms
    assert "<code>./creditlab logs postgres</code>" in symptoms
    assert "`" not in page
