"""Questions about plans, and about the way from a statement to a trace."""

from collections.abc import Iterator

from lab.compare.answers import Answer, Compared, Group, cannot
from lab.compare.questions.case import Case, of_truth
from lab.compare.questions.statements import top

EXEMPLARS = "credit_operation_duration_seconds_bucket"


def compare(case: Case) -> Iterator[Compared]:
    """Yield questions about plans of the statements with the most server time."""
    names = top(case)
    yield _explained(case)
    for name in names[:2]:
        yield _plan(case, name)
    yield _traces(case)


def _plan(case: Case, name: str) -> Compared:
    shapes = case.datadog.plan_shapes(name)
    executed = case.datadog.executed_shapes(name)
    return Compared(
        group=Group.PLANS,
        question=f"plans of {name}",
        unit="",
        truth=Answer(value=f"{len(executed)} executed", where="auto_explain, in the log")
        if executed
        else cannot("no execution was slow enough for auto_explain's threshold"),
        prometheus=cannot("no plan is in any series"),
        datadog=case.datadog.sampled(f"{len(shapes)} estimated"),
    )


def _explained(case: Case) -> Compared:
    found = case.datadog.explained()
    return Compared(
        group=Group.PLANS,
        question="statements with a plan",
        unit="",
        truth=Answer(value=float(len(top(case))), where="statements that ran in the window"),
        prometheus=cannot("no plan is in any series"),
        datadog=case.datadog.sampled(float(len(found))),
    )


def _traces(case: Case) -> Compared:
    """Whether a statement leads to a trace: exemplars of the services' histograms, or the traceparent."""
    exemplars = case.prometheus.exemplars(EXEMPLARS)
    linked = case.datadog.linked_traces()
    return Compared(
        group=Group.PLANS,
        question="traces that the stack links to",
        unit="",
        truth=of_truth(_operations(case)),
        prometheus=case.prometheus.answer(float(exemplars), EXEMPLARS)
        if exemplars is not None
        else cannot(case.prometheus.trouble or "no exemplars are stored"),
        datadog=case.datadog.from_spans(linked),
    )


def _operations(case: Case) -> float | None:
    """Return the number of operations: each is a trace."""
    names = sorted(name for name in case.readings.names("clock") if "/operation/" in name)
    track = case.readings.counter(tuple(("clock", name, "count") for name in names))
    return None if track is None else track.at(case.window.now_ns) - track.at(case.window.since_ns)
