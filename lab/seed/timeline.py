"""The three years before the reference date, as whole seconds and as text for COPY.

Rows are placed by an ascending fraction of the three years: so ids ascend with time, as in a database in
use, without sorting. All seeded times are before the reference date; later ones are the live workload's.
"""

from datetime import date, timedelta
from random import Random

DAYS = 3 * 365 + 1
DAY_S = 86_400
_OPENS_S = 10 * 3600  # 07:00 in Brasilia, in UTC
_OPEN_FOR_S = 14 * 3600
_CLOCKS = 4096


class Timeline:
    """Converts fractions and seconds to timestamps; all times are UTC."""

    def __init__(self, reference: date) -> None:
        self.reference = reference
        self.start = reference - timedelta(days=DAYS)
        self.end_s = DAYS * DAY_S
        self._dates = tuple((self.start + timedelta(days=n)).isoformat() for n in range(DAYS))
        rng = Random("clocks")
        self._clocks = tuple(
            _clock(_OPENS_S + int(rng.random() * _OPEN_FOR_S)) for _ in range(_CLOCKS)
        )

    def instant(self, fraction: float) -> int:
        """Return a time in waking hours for a fraction in [0, 1) of the three years, in seconds."""
        day, part = divmod(fraction * DAYS, 1)
        return min(int(day) * DAY_S + _OPENS_S + int(part * _OPEN_FOR_S), self.end_s - 1)

    def text(self, instant: int) -> str:
        """Return an instant (seconds since the start, before the end) as a timestamptz.

        >>> Timeline(date(2025, 1, 1)).text(0)
        '2022-01-01 00:00:00+00'
        """
        day, second = divmod(instant, DAY_S)
        return self._dates[day] + _clock(second)

    def some_time_on(self, day: int, luck: float) -> str:
        """Return a time in waking hours, chosen by `luck` in [0, 1), of a day since the start."""
        return self._dates[day] + self._clocks[int(luck * _CLOCKS)]

    def day(self, instant: int) -> date:
        """Return the date of an instant."""
        return self.start + timedelta(days=instant // DAY_S)


def _clock(second: int) -> str:
    return f" {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00"
