"""Charts as SVG, drawn on the server: they need no script.

Coordinates are in a box of WIDTH by HEIGHT that the browser scales to the available space; labels are outside
of it, so that they are not scaled. Colours come from the style sheet (see colours.py). The script only adds a
cursor that shows the values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, floor, log10

WIDTH, HEIGHT = 1000.0, 100.0
# Possible distances of the time labels, in milliseconds.
STEPS_MS = tuple(
    1000 * s
    for s in (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
)
MAX_TIME_TICKS = 6
VALUE_TICKS = 3


@dataclass(frozen=True, kw_only=True)
class ChartSeries:
    """One line or layer: a value for each time of the chart, None for a missing one."""

    label: str
    css: str
    values: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label of an axis: `at` is its position as a percentage of the axis."""

    at: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """A time range marked behind the chart, in milliseconds since 1970; `href` links to its cause."""

    label: str
    href: str
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart over time.

    Attributes:
        title: for screen readers and above its legend.
        unit: the format of its values: one of the names in static/console.js.
        times_ms: since 1970, ascending.
        series: drawn in this order, the first at the bottom when stacked.
        stacked: stacked bars instead of lines; each bar is `step_ms` wide from its time on.
        marks_ms: times to be marked by a line.
        bands: time ranges to be marked in the background.
        behind: the page that lists what a bar counts; a click on a bar opens it for the bar's time range.
    """

    title: str
    unit: str
    times_ms: Sequence[int]
    series: Sequence[ChartSeries]
    stacked: bool = False
    step_ms: int = 0
    marks_ms: Sequence[int] = field(default=())
    bands: Sequence[Band] = field(default=())
    behind: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for series in self.series for value in series.values)

    @property
    def top(self) -> float:
        """The value at the upper end of the axis."""
        return self.value_ticks()[-1].value

    def value_ticks(self) -> list[Tick]:
        """Return round values that include 0, the lowest and the highest value."""
        lowest = self._lowest()
        highest = max(self._highest(), 0.0) or (0.0 if lowest < 0 else 1.0)
        step = _round_up((highest - lowest) / VALUE_TICKS)
        first, last = floor(lowest / step + 1e-9), max(0, ceil(highest / step - 1e-9))
        count = max(1, last - first)
        return [Tick(at=100 - 100 * i / count, value=(first + i) * step) for i in range(count + 1)]

    def time_ticks(self) -> list[Tick]:
        """Return round times within the chart, as milliseconds."""
        if not self.times_ms:
            return []
        first, last = self._span()
        step = next((s for s in STEPS_MS if (last - first) / s <= MAX_TIME_TICKS), STEPS_MS[-1])
        start = ceil(first / step) * step
        return [
            Tick(at=self._x(t) / WIDTH * 100, value=t) for t in range(int(start), int(last), step)
        ]

    def marks(self) -> list[float]:
        """Return the positions of the marks, as percentages of the width."""
        first, last = self._span()
        return [self._x(t) / WIDTH * 100 for t in self.marks_ms if first <= t <= last]

    def band_places(self) -> list[tuple[Band, float, float]]:
        """Return each visible band with its left and right end, in percent of the width."""
        first, last = self._span()
        return [
            (
                band,
                self._x(max(band.begin_ms, first)) / WIDTH * 100,
                self._x(min(band.end_ms, last)) / WIDTH * 100,
            )
            for band in self.bands
            if self.times_ms and band.begin_ms < last and band.end_ms > first
        ]

    def paths(self) -> list[tuple[ChartSeries, str]]:
        """Return each series with its outline, as the `d` of an SVG path."""
        if self.stacked:
            return self._layers()
        return [(series, self._line(series.values)) for series in self.series]

    def dots(self) -> list[tuple[ChartSeries, str]]:
        """Return the values of lines without neighbours, to be drawn thicker: they have no length."""
        if self.stacked:
            return []
        found = [(series, "".join(self._alone(series.values))) for series in self.series]
        return [(series, d) for series, d in found if d]

    def data(self) -> dict[str, object]:
        """Return the values for the script's cursor."""
        return {
            "unit": self.unit,
            "step": self.step_ms,
            "times": list(self.times_ms),
            "stacked": self.stacked,
            "series": [
                {"label": s.label, "css": s.css, "values": [_short(v) for v in s.values]}
                for s in self.series
            ],
            "bands": [
                {"label": band.label, "begin": band.begin_ms, "end": band.end_ms}
                for band in self.bands
            ],
        }

    def _span(self) -> tuple[int, int]:
        if not self.times_ms:
            return 0, 1
        return self.times_ms[0], max(self.times_ms[-1] + self.step_ms, self.times_ms[0] + 1)

    @cached_property
    def _axis(self) -> tuple[float, float]:
        ticks = self.value_ticks()
        return ticks[0].value, ticks[-1].value

    def _x(self, time_ms: float) -> float:
        first, last = self._span()
        return (time_ms - first) / (last - first) * WIDTH

    def _y(self, value: float) -> float:
        low, high = self._axis
        return HEIGHT - (value - low) / (high - low) * HEIGHT

    def _lowest(self) -> float:
        values = (v for s in self.series for v in s.values if v is not None)
        return 0.0 if self.stacked else min(0.0, *values, 0.0)

    def _highest(self) -> float:
        if self.stacked:
            return max((sum(v or 0.0 for v in column) for column in self._columns()), default=0.0)
        return max((v for s in self.series for v in s.values if v is not None), default=0.0)

    def _columns(self) -> list[tuple[float | None, ...]]:
        return list(zip(*(series.values for series in self.series), strict=True))

    def _line(self, values: Sequence[float | None]) -> str:
        """Connect neighbouring values and leave gaps; a value without neighbours is drawn as a dot."""
        parts = []
        joined = False
        for time_ms, value in zip(self.times_ms, values, strict=True):
            if value is not None:
                place = f"{self._x(time_ms):.1f} {self._y(value):.2f}"
                parts.append(f"L{place}" if joined else f"M{place}h0")
            joined = value is not None
        return "".join(parts)

    def _alone(self, values: Sequence[float | None]) -> Iterator[str]:
        neighbours = zip(values, [None, *values], [*values[1:], None], strict=False)
        for time_ms, (value, before, after) in zip(self.times_ms, neighbours, strict=True):
            if value is not None and before is None and after is None:
                yield f"M{self._x(time_ms):.1f} {self._y(value):.2f}h0"

    def _layers(self) -> list[tuple[ChartSeries, str]]:
        """Draw bars, not areas: a slope would suggest values between two samples, which are unknown."""
        floor_ = [0.0] * len(self.times_ms)
        found = []
        for series in self.series:
            roof = [low + (v or 0.0) for low, v in zip(floor_, series.values, strict=True)]
            found.append((series, "".join(self._bars(floor_, roof))))
            floor_ = roof
        return found

    def _bars(self, low: Sequence[float], high: Sequence[float]) -> Iterator[str]:
        for time_ms, bottom, top in zip(self.times_ms, low, high, strict=True):
            if top > bottom:
                left, right = self._x(time_ms), self._x(time_ms + self.step_ms)
                below, above = self._y(bottom), self._y(top)
                yield f"M{left:.1f} {below:.2f}V{above:.2f}H{right:.1f}V{below:.2f}Z"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a small line without axes, from 0 to its highest value, as the `d` of an SVG path."""
    if len(values) <= 1:
        return ""
    chart = Chart(
        title="",
        unit="",
        times_ms=range(len(values)),
        series=[ChartSeries(label="", css="", values=values)],
    )
    return chart.paths()[0][1]


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 2.5, 5 and their tens that is not smaller."""
    power = 10.0 ** floor(log10(value))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= value * (1 - 1e-9))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
