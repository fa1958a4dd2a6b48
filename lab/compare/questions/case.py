"""The sides of one comparison, and the kinds of questions: counters, ratios of counters, gauges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lab.compare.answers import Answer, Compared, Group, Parts, cannot
from lab.compare.intake import Datadog
from lab.compare.readings import Key, Readings
from lab.compare.received import Metric
from lab.compare.side import PrometheusSide, TruthSide, rates
from lab.compare.stages import Observed, Window, answer, counted, gauge

NO_TRUTH = "the lab has no readings of it in the window: is the console running?"
NO_SERIES = "Prometheus has no such series in the window"
READINGS = "the lab's readings"
Formula = Callable[[Sequence[float]], float]
# An answer of the Datadog side to a leg: what it observed, or why it cannot.
Ask = Callable[[Datadog], Observed | None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the questions are put to."""

    window: Window
    readings: Readings
    truth: TruthSide
    prometheus: PrometheusSide
    # For percentiles: between two readings of the clocks' buckets, which are ten seconds apart.
    aligned: PrometheusSide
    datadog: Datadog


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One counter of a question: its columns of the truth, its series, and the Datadog side's way.

    `scale` is the factor of the truth, `series_scale` that of the series.
    """

    keys: tuple[Key, ...]
    series: str
    datadog: Ask | Metric | str
    scale: float = 1.0
    series_scale: float = 1.0


def mean_of(values: Sequence[float]) -> float:
    """Return the first counter per unit of the second."""
    return values[0] / values[1] if values[1] else 0.0


def percent_of_both(values: Sequence[float]) -> float:
    """Return the first counter in percent of both."""
    return 100 * values[0] / (values[0] + values[1]) if values[0] + values[1] else 0.0


def counter(
    case: Case,
    group: Group,
    question: str,
    unit: str,
    *legs: Leg,
    formula: Formula = sum,
    datadog: Answer | Sequence[Leg] = (),
) -> Compared:
    """Compare what one or several counters grew by in the window.

    Args:
        case: the sides.
        group: of the question.
        question: its text.
        unit: of the values.
        legs: the counters; each has one target of Prometheus, so that its samples are of one moment.
        formula: from the growth of the counters to the answer.
        datadog: the answer of that side, or its counters where they are others.
    """
    tracks = [case.readings.counter(leg.keys) for leg in legs]
    window = case.window
    truth = cannot(NO_TRUTH)
    # No leg: a statement that no service of the lab ran, such as a drill's.
    if legs and all(track is not None for track in tracks):
        grown = [
            leg.scale * (track.at(window.now_ns) - track.at(window.since_ns))
            for leg, track in zip(legs, tracks, strict=True)
            if track is not None
        ]
        series = tracks[0].points(window.since_ns, window.now_ns) if tracks[0] else []
        truth = Answer(
            value=float(formula(grown)),
            age_s=0.0,
            resolution_s=1.0,
            where=READINGS,
            points=_thinned(series, legs[0].scale) if len(legs) == 1 else (),
        )
    prometheus = [_scaled(case.prometheus.counter(leg.series), leg.series_scale) for leg in legs]
    reason = case.prometheus.trouble or NO_SERIES
    if not isinstance(datadog, Answer):
        own = datadog or legs
        found, why_not = _datadog(case, own)
        datadog = _side(case, own, found, formula, why_not)
    return Compared(
        group=group,
        question=question,
        unit=unit,
        truth=truth,
        prometheus=_side(case, legs, prometheus, formula, reason),
        datadog=datadog,
    )


def _datadog(case: Case, legs: Sequence[Leg]) -> tuple[list[Observed | None], str]:
    found: list[Observed | None] = []
    for leg in legs:
        if isinstance(leg.datadog, str):
            return [None], leg.datadog
        if isinstance(leg.datadog, Metric):
            found.append(case.datadog.counter(leg.datadog))
            if found[-1] is None:
                reason = case.datadog.trouble or f"no Agent sent {leg.datadog.name} in the window"
                return found, reason
        else:
            found.append(leg.datadog(case.datadog))
    return found, case.datadog.trouble or "the Datadog side received no data of it in the window"


def _side(
    case: Case,
    legs: Sequence[Leg],
    found: Sequence[Observed | None],
    formula: Formula,
    why_not: str,
) -> Answer:
    seen = [one for one in found if one is not None]
    if not legs or len(seen) < len(legs):
        return cannot(why_not)
    pairs = []
    for leg, one in zip(legs, seen, strict=True):
        track = case.readings.counter(leg.keys)
        if track is None:
            newest_s = (case.window.now_ns - one.newest_ns) / 1e9
            value = float(formula([other.value for other in seen]))
            return Answer(
                value=value,
                age_s=round(newest_s, 1),
                resolution_s=one.resolution_s,
                where=one.where,
            )
        unscaled = _scaled(one, 1 / leg.scale)
        assert unscaled is not None
        pairs.append((counted(track, case.window, unscaled).scaled(leg.scale), one))
    return answer(lambda values: float(formula(values)), pairs, case.window)


def _scaled(seen: Observed | None, factor: float) -> Observed | None:
    if seen is None or factor == 1.0:
        return seen
    return replace(
        seen,
        raw=None if seen.raw is None else factor * seen.raw,
        value=factor * seen.value,
        points=tuple((at_ns, factor * value) for at_ns, value in seen.points),
    )


def gauge_now(
    case: Case,
    group: Group,
    question: str,
    unit: str,
    *,
    key: Key,
    series: str,
    datadog: Metric,
    points: bool = False,
) -> Compared:
    """Compare the newest value of a gauge."""
    track, window = case.readings.gauge(key), case.window
    truth = cannot(NO_TRUTH)
    if track is not None:
        shown = track.points(window.since_ns, window.now_ns)[::5] if points else ()
        truth = Answer(
            value=track.at(window.now_ns), age_s=0.0, resolution_s=1.0, where=READINGS,
            points=tuple(shown),
        )  # fmt: skip
    sides = []
    for found, why_not in (
        (case.prometheus.gauge(series), case.prometheus.trouble or NO_SERIES),
        (
            case.datadog.gauge(datadog),
            case.datadog.trouble or f"no Agent sent {datadog.name} in the window",
        ),
    ):
        if found is None:
            sides.append(cannot(why_not))
            continue
        one, moment = found
        assert isinstance(one.value, float)
        sides.append(gauge(track, window, one.value, moment, one))
    return Compared(
        group=group,
        question=question,
        unit=unit,
        truth=truth,
        prometheus=sides[0],
        datadog=sides[1],
    )


def quantile_row(
    case: Case,
    group: Group,
    question: str,
    *,
    q: float,
    clocks: Sequence[str],
    bucket: str,
    datadog: Answer,
) -> Compared:
    """Compare a quantile of durations: a histogram's is interpolated in a bucket, which is its resolution."""
    window = case.aligned.window
    exact = case.readings.quantile(q, clocks, since_ns=window.since_ns, until_ns=window.now_ns)
    prometheus = case.aligned.ask(
        f"1000 * histogram_quantile({q}, sum by (le) (increase({bucket}[WINDOW]))) > 0"
    )
    if exact is not None and isinstance(prometheus.value, float):
        parts = Parts(resolution=prometheus.value - 1000 * exact)
        prometheus = replace(prometheus, parts=parts)
    return Compared(
        group=group,
        question=question,
        unit="ms",
        truth=of_truth(None if exact is None else 1000 * exact),
        prometheus=prometheus,
        datadog=datadog,
    )


def lag(
    group: Group,
    what: str,
    prometheus: tuple[Answer | None, str],
    datadog: tuple[Answer | None, str],
) -> Compared:
    """Compare the ages of the newest points; a side is an answer with its age, and why it may have none."""
    sides = [
        Answer(value=found.age_s, age_s=found.age_s, where=found.where)
        if found and found.age_s is not None
        else cannot(why_not)
        for found, why_not in (prometheus, datadog)
    ]
    return Compared(
        group=group,
        question=f"age of the newest point: {what}",
        unit="s",
        truth=Answer(value=0.0, where="by definition"),
        prometheus=sides[0],
        datadog=sides[1],
    )


def of_truth(value: float | None) -> Answer:
    """Return an answer of the lab's readings."""
    if value is None:
        return cannot(NO_TRUTH)
    return Answer(value=value, age_s=0.0, resolution_s=1.0, where=READINGS)


def _thinned(series: Sequence[tuple[int, float]], scale: float) -> tuple[tuple[int, float], ...]:
    """Return the growth per second over ten seconds each."""
    return tuple((at_ns, scale * value) for at_ns, value in rates(series[::10]))
