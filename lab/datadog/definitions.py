"""The monitors and dashboards as they stand in `datadog/`: one JSON file each, as the API takes it.

Datadog numbers what it stores, so each file carries an identity of its own, `credit-lab:NAME`: a monitor
among its tags, a dashboard in its description. By it a second push finds what the first one made.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT

FOLDER = ROOT / "datadog"
# Every monitor has it, so that one request lists ours among the thousands of an account.
PROJECT = "project:credit-lab"
IDENTITY = re.compile(r"credit-lab:[a-z0-9_-]+")


class Kind(StrEnum):
    """What the API calls the thing."""

    MONITOR = "monitor"
    DASHBOARD = "dashboard"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One monitor or dashboard; `body` is a JSON document of Datadog's form, which we only pass on."""

    kind: Kind
    identity: str
    title: str
    body: Mapping[str, Any]

    @classmethod
    def from_file(cls, kind: Kind, file: Path) -> Self:
        """Read one file.

        Raises:
            LabError: when it is no JSON object, or has no identity.
        """
        try:
            body = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise LabError(
                f"{file} is no JSON: {error}. Correct it, or take it from git."
            ) from None
        identity = identity_of(kind, body) if isinstance(body, dict) else None
        if identity is None:
            where = "tags" if kind is Kind.MONITOR else "description"
            raise LabError(f"{file} has no identity: put credit-lab:NAME into its {where}.")
        return cls(kind=kind, identity=identity, title=title_of(kind, body), body=body)


def read(folder: Path) -> tuple[Definition, ...]:
    """Return every definition, monitors first.

    Raises:
        LabError: when a file is malformed, or when two have one identity.
    """
    found = [
        Definition.from_file(kind, file)
        for kind, place in ((Kind.MONITOR, "monitors"), (Kind.DASHBOARD, "dashboards"))
        for file in sorted((folder / place).glob("*.json"))
    ]
    by_identity: dict[tuple[Kind, str], Definition] = {}
    for definition in found:
        other = by_identity.setdefault((definition.kind, definition.identity), definition)
        if other is not definition:
            raise LabError(
                f'"{other.title}" and "{definition.title}" in {folder} both are'
                f" {definition.identity}; give one of them another identity."
            )
    return tuple(found)


def identity_of(kind: Kind, body: Mapping[str, Any]) -> str | None:
    """Return the identity that a body carries; None when it is not one of ours."""
    if kind is Kind.MONITOR:
        return _first(tag for tag in body.get("tags") or () if IDENTITY.fullmatch(tag))
    return _first(IDENTITY.findall(body.get("description") or ""))


def title_of(kind: Kind, body: Mapping[str, Any]) -> str:
    """Return what a person calls it."""
    return str(body["name" if kind is Kind.MONITOR else "title"])


def _first(found: Iterable[str]) -> str | None:
    return next(iter(found), None)
