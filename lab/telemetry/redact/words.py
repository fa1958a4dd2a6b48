"""Word lists: words of PostgreSQL's messages and views, SQL keywords, and names of people.

generate.py generates the files in data/ except three: applications.txt has words of applications and drivers,
more_people.txt names that are frequent in Brazil and not in Faker's pools, not_people.txt names that are more
often a column's than a person's.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DATA = Path(__file__).with_name("data")


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text(encoding="utf-8").splitlines()


def _words(name: str) -> frozenset[str]:
    return frozenset(word for line in _lines(name) for word in line.split())


def server_messages() -> list[tuple[str, str]]:
    """Return PostgreSQL's messages: SQLSTATE, or `*` for any, and the template with %s, %d and %m."""
    return [
        (code, text)
        for code, _, text in (line.partition("\t") for line in _lines("server_messages.txt"))
    ]


@cache
def sqlstates() -> Mapping[str, str]:
    """Return SQLSTATEs by the names of drivers' exceptions, such as `UniqueViolation`."""
    pairs = (line.split("\t") for line in _lines("sqlstates.txt"))
    return {"".join(map(str.capitalize, name.split("_"))): code for code, name in pairs}


@cache
def keywords() -> frozenset[str]:
    """Return SQL's keywords in PostgreSQL, lower-case."""
    return _words("keywords.txt")


@cache
def technical() -> frozenset[str]:
    """Return technical words, lower-case: the words that a name of several words may have."""
    messages = " ".join(re.sub("%[sdm]", " ", text) for _, text in server_messages())
    found = frozenset(word.lower() for word in re.findall("[A-Za-z]+", messages))
    return found | keywords() | _words("server_words.txt") | _words("applications.txt")


@cache
def people() -> frozenset[str]:
    """Return given names and surnames, lower-case and without accents, that are not also ordinary words."""
    names = _words("people.txt") | _words("more_people.txt")
    return (
        names - _words("not_people.txt") - (technical() - _words("more_people.txt")) - _short(names)
    )


@cache
def all_people() -> frozenset[str]:
    """Return all given names and surnames, including those that are ordinary words."""
    return _words("people.txt") | _words("more_people.txt")


def _short(names: frozenset[str]) -> frozenset[str]:
    """Return the names of up to three letters, which are mostly abbreviations, except a few."""
    known = {"ana", "bia", "eva", "ian", "isa", "ivo", "lia", "rui", "ruy"}
    return frozenset(name for name in names if len(name) <= 3 and name not in known)  # noqa: PLR2004
