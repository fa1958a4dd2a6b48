"""Reads what a page's address asks for, leniently: a reader's slip gives the default, not an error."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from starlette.requests import Request

from lab.foundation import clock
from lab.foundation.errors import LabError

T = TypeVar("T")
WINDOWS = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 h", timedelta(hours=1)),
    "3h": ("3 h", timedelta(hours=3)),
    "24h": ("24 h", timedelta(hours=24)),
}
DEFAULT_WINDOW = "15m"


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time that a page is about; `key` as in the address, `label` in words."""

    key: str
    label: str
    since: datetime
    until: datetime

    def values(self) -> dict[str, object]:
        """Return what the template needs to show the choice of windows."""
        return {
            "window": self.key,
            "window_label": f"last {self.label}",
            "windows": [(key, label) for key, (label, _) in WINDOWS.items()],
        }


def window(request: Request, default: str = DEFAULT_WINDOW) -> Window:
    """Return the window that the address asks for, up to now."""
    key = request.query_params.get("window", default)
    key = key if key in WINDOWS else default
    label, length = WINDOWS[key]
    now = clock.now()
    return Window(key=key, label=label, since=now - length, until=now)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered(Generic[T]):
    """A part of a page: its value, or why there is none; the other parts are shown all the same."""

    value: T | None = None
    trouble: str | None = None


def attempt(ask: Callable[[], T]) -> Answered[T]:
    """Ask for a part of a page."""
    try:
        return Answered(value=ask())
    except LabError as error:
        return Answered(trouble=str(error))


def word(request: Request, name: str) -> str | None:
    """Return a field of the address; None when it is empty."""
    return request.query_params.get(name, "").strip() or None


def positive(request: Request, name: str) -> float | None:
    """Return a field of the address as a number above 0; None for anything else."""
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
