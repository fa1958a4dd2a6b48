"""A question about a statement that no service of the lab ran, such as a drill's, has no answer."""

from types import SimpleNamespace
from typing import cast

from lab.compare.answers import Answer, Group
from lab.compare.questions.case import Case, counter
from lab.compare.stages import Window


def test_a_counter_without_a_leg_has_no_answer() -> None:
    """After `drill run slow-query` the drill's statement is among the top statements of `compare`."""
    case = SimpleNamespace(
        window=Window(since_ns=0, now_ns=10**9),
        readings=SimpleNamespace(),
        prometheus=SimpleNamespace(trouble=None),
        datadog=SimpleNamespace(trouble=None),
    )
    given = Answer(value=1.0)
    found = counter(cast("Case", case), Group.STATEMENTS, "mean", "ms", datadog=given)
    assert (found.truth.value, found.prometheus.value, found.datadog) == (None, None, given)
    assert found.truth.why_not
    assert found.prometheus.why_not
