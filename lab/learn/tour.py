"""The tour: five steps, each with real commands, what to look for, and the page of the console.

The texts are in tour.toml, in English and Portuguese. The command line runs the commands; the console shows
them.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TEXTS = Path(__file__).with_name("tour.toml")
# The incident's duration: enough for the alert LongLockWait, and short in a test.
INCIDENT_S = 20


class Language(StrEnum):
    """A language of the tour."""

    EN = "en"
    PT = "pt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the tour.

    Attributes:
        commands: as typed in a shell, in the clone.
        why: what the step shows, before its commands.
        look: what to look for in their output.
        page: the path in the console.
    """

    name: str
    title: str
    why: str
    look: str
    commands: tuple[str, ...]
    page: str


def steps(language: Language, *, incident_s: int = INCIDENT_S) -> tuple[Step, ...]:
    """Return the steps in a language."""
    document = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    return tuple(
        Step(
            name=step["name"],
            page=step["page"],
            commands=tuple(c.strip().format(seconds=incident_s) for c in step["commands"]),
            **{key: " ".join(text.split()) for key, text in step[language.value].items()},
        )
        for step in document["step"]
    )


def language_of(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the language of the terminal's locale, English for all others than Portuguese.

    >>> language_of({"LANG": "pt_BR.UTF-8"}), language_of({"LC_ALL": "C", "LANG": "pt_BR"})
    (<Language.PT: 'pt'>, <Language.EN: 'en'>)
    """
    found = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return Language.PT if next(filter(None, found), "").startswith("pt") else Language.EN
