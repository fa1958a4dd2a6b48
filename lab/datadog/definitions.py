"""Definitions of monitors and dashboards in `datadog/`: one JSON file each, in the API's format.

Datadog assigns ids, so each file has an identity of its own, `credit-lab:NAME`: a monitor among its tags, a
dashboard in its description. By it a second push finds the objects of the first one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from lab.foundation.addresses import with_own_addresses
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, LabSettings

FOLDER = ROOT / "datadog"
# Tag of every monitor of the lab, so that one request lists them among the thousands of an account.
PROJECT = "project:credit-lab"
IDENTITY = re.compile(r"credit-lab:[a-z0-9_-]+")


class Kind(StrEnum):
    """The kind of object, as the API names it."""

    MONITOR = "monitor"
    DASHBOARD = "dashboard"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One monitor or dashboard; `body` is a JSON document in Datadog's format, `for_lab` sets its links."""

    kind: Kind
    identity: str
    title: str
    body: Mapping[str, Any]

    @classmethod
    def from_file(cls, kind: Kind, file: Path) -> Self:
        """Read one file.

        Raises:
            LabError: when it is not a JSON object, or has no identity.
        """
        try:
            body = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise LabError(
                f"{file} is not JSON: {error}. Correct it, or restore it from git."
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
                f'"{other.title}" and "{definition.title}" in {folder} both have the identity'
                f" {definition.identity}; change one of them."
            )
    return tuple(found)


def for_lab(definitions: Iterable[Definition], settings: LabSettings) -> tuple[Definition, ...]:
    """Return the definitions with links to this lab's console and Grafana."""
    return tuple(
        replace(one, body=json.loads(with_own_addresses(json.dumps(one.body), settings)))
        for one in definitions
    )


def identity_of(kind: Kind, body: Mapping[str, Any]) -> str | None:
    """Return the identity in a body; None when it is not an object of the lab."""
    if kind is Kind.MONITOR:
        return _first(tag for tag in body.get("tags") or () if IDENTITY.fullmatch(tag))
    return _first(IDENTITY.findall(body.get("description") or ""))


def title_of(kind: Kind, body: Mapping[str, Any]) -> str:
    """Return the display name."""
    return str(body["name" if kind is Kind.MONITOR else "title"])


def _first(found: Iterable[str]) -> str | None:
    return next(iter(found), None)
