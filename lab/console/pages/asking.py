"""Reads the query parameters of a page; an invalid value is reported, and replaced by the default."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from starlette.requests import Request

from lab.drilldown.links import window_parameters
from lab.foundation import clock
from lab.foundation.errors import LabError

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)
WINDOWS = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 h", timedelta(hours=1)),
    "3h": ("3 h", timedelta(hours=3)),
    "24h": ("24 h", timedelta(hours=24)),
}
DEFAULT_WINDOW = "15m"
# The key of a time range that `from` and `to` select.
SELECTED = "selected"
# The longest part of an invalid value that is quoted.
QUOTED = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time range of a page; `key` as in the URL, `label` as text."""

    key: str
    label: str
    since: datetime
    until: datetime

    @property
    def parameters(self) -> dict[str, object]:
        """The query parameters that select the same range on another page."""
        if self.key == SELECTED:
            return window_parameters(self.since, self.until)
        return {"window": self.key}

    def values(self) -> dict[str, object]:
        """Return the template's values for the selection of a window."""
        return {
            "window": self.key,
            "window_label": self.label if self.key == SELECTED else f"last {self.label}",
            "windows": [(key, label) for key, (label, _) in WINDOWS.items()],
            "selected": (self.since, self.until) if self.key == SELECTED else None,
        }


def window(request: Request, default: str = DEFAULT_WINDOW) -> Window:
    """Return the time range of the URL: `from` and `to`, in seconds since 1970, or `window`, up to now."""
    chosen = _selected(request)
    if chosen:
        return chosen
    key = request.query_params.get("window") or default
    if key not in WINDOWS:
        report(request, "window", key, f"one of {', '.join(WINDOWS)}")
        key = default
    label, length = WINDOWS[key]
    now = clock.now()
    return Window(key=key, label=label, since=now - length, until=now)


def _selected(request: Request) -> Window | None:
    given = [request.query_params.get(name) for name in ("from", "to")]
    if given == [None, None]:
        return None
    try:
        since, until = (datetime.fromtimestamp(float(each or ""), UTC) for each in given)
    except (ValueError, OverflowError, OSError):
        since = until = clock.now()
    if since >= until:
        text = " to ".join(each or "nothing" for each in given)
        report(
            request, "from and to", text, "two times in seconds since 1970, the earlier one first"
        )
        return None
    label = f"{since:%Y-%m-%d %H:%M:%S} to {until:%H:%M:%S} UTC"
    return Window(key=SELECTED, label=label, since=since, until=until)


def report(request: Request, name: str, value: str, expected: str) -> None:
    """Note an invalid query parameter; the page shows what was given and what was expected."""
    shown = value if len(value) <= QUOTED else f"{value[:QUOTED]}…"
    found = [*reported(request), f'{name}="{shown}" was ignored: expected {expected}.']
    request.state.reported = found


def reported(request: Request) -> list[str]:
    """Return the notes on invalid query parameters."""
    return list(getattr(request.state, "reported", []))


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
    given = request.query_params.get(name, "").strip()
    try:
        value = float(given or "nan")
    except ValueError:
        value = 0.0
    if 0 < value < float("inf"):
        return value
    if given:
        report(request, name, given, "a number above 0")
    return None


def choice(request: Request, name: str, default: Choice) -> Choice:
    """Return a query parameter that selects one of some words."""
    known, given = type(default), word(request, name)
    if given is None:
        return default
    if given not in set(known):
        report(request, name, given, f"one of {', '.join(known)}")
        return default
    return known(given)
