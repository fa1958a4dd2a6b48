"""Options that several commands have, and parsers of option values: durations, numbers, names.

typer passes the option's default to a parser, too. It is already a number, so each parser accepts numbers.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]

Docker = Annotated[bool, typer.Option("--docker", help="The lab in containers.")]
Native = Annotated[
    bool, typer.Option("--native", help="The lab on this machine, without containers.")
]

DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?P<unit>[smh])?")
UNITS = {None: 1, "s": 1, "m": 60, "h": 3600}
MAX_DURATION_S = 7 * 24 * 3600.0


def seconds(given: str | float) -> float:
    """Parse a duration such as 60s, 5m or 1h; at most seven days.

    >>> seconds("5m"), seconds(300.0)
    (300.0, 300.0)
    """
    if not isinstance(given, str):
        return given
    match = DURATION.fullmatch(given)
    length = float(match["number"]) * UNITS[match["unit"]] if match else 0.0
    if not 0 < length <= MAX_DURATION_S:
        raise typer.BadParameter(
            f"{given[:40]!r} is not a duration: write 60s, 5m or 1h; at most {MAX_DURATION_S / 3600:g}h."
        )
    return length


def number(least: float, most: float) -> Callable[[str | float], float]:
    """Return a parser of numbers from `least` to `most`; it rejects nan, which click's own range accepts."""

    def read(given: str | float) -> float:
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(
                f"{str(given)[:40]!r} is not a number from {least:g} to {most:g}."
            )
        return value

    return read


def numbers(least: float, most: float) -> Callable[[str | Sequence[float]], tuple[float, ...]]:
    """Return a parser of lists A,B of numbers from `least` to `most`, each once, ascending."""
    one = number(least, most)

    def read(given: str | Sequence[float]) -> tuple[float, ...]:
        parts = given.split(",") if isinstance(given, str) else given
        return tuple(sorted({one(part) for part in parts}))

    return read


def chosen(given: str | None, option: str, kind: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return those of the known names that a list A,B has, in any case of letters; all without the option.

    Raises:
        typer.BadParameter: for an unknown name.
    """
    by_name = {name.casefold(): name for name in known}
    wanted = names(given, option, kind) or tuple(known)
    if unknown := [name for name in wanted if name.casefold() not in by_name]:
        raise typer.BadParameter(
            f"{option}: there is no {kind} {unknown[0][:40]!r}; expected {', '.join(known)}."
        )
    return tuple(by_name[name.casefold()] for name in wanted)


def names(given: str | None, option: str, kind: str) -> tuple[str, ...] | None:
    """Return the names of a list A,B, each once; None when the option was not given.

    Raises:
        typer.BadParameter: when the option was given and names nothing.
    """
    if given is None:
        return None
    found = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not found:
        raise typer.BadParameter(f"{option} {given!r} names no {kind}; leave it out for all.")
    return found
