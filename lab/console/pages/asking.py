"""Reads the query parameters of a page; an invalid value is replaced by the default."""

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
    """The time range of a page; `key` as in the URL, `label` as text."""

    key: str
    label: str
    since: datetime
    until: datetime

    def values(self) -> dict[str, object]:
        """Return the template's values for the selection of a window."""
        return {
            "window": self.key,
            "window_label": f"last {self.label}",
            "windows": [(key, label) for key, (label, _) in WINDOWS.items()],
        }


def window(request: Request, default: str = DEFAULT_WINDOW) -> Window:
    """Return the window of the URL, up to now."""
    key = request.query_params.get("window", default)
    key = key if key in WINDOWS else default
    label, length = WINDOWS[key]
    now = clock.now()
    return Window(key=key, label=label, since=now - length, until=now)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult(Generic[T]):
    """The data of one part of a page, or the reason why they are missing; other parts are not affected."""

    value: T | None = None
    trouble: str | None = None


def attempt(read: Callable[[], T]) -> PartResult[T]:
    """Read the data of one part of a page."""
    try:
        return PartResult(value=read())
    except LabError as error:
        return PartResult(trouble=str(error))


def word(request: Request, name: str) -> str | None:
    """Return a query parameter; None when it is empty."""
    return request.query_params.get(name, "").strip() or None


def positive(request: Request, name: str) -> float | None:
    """Return a query parameter as a number above 0; None for any other value."""
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
