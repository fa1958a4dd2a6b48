"""Maps the text of a database span to the name of its statement in workload/sql/.

A tracer sends the statement with the program's placeholders; the Agent sends it obfuscated, without the
comment that contains the name. Both are the text of the program's own file, which is searched here.
"""

import re
from collections.abc import Mapping
from functools import cache

from lab.telemetry import redact
from lab.telemetry.store import Reader
from workload.statements import STATEMENTS

# The intake keeps this many characters of a span's resource.
MAX_CHARACTERS = 2_000
PARAMETER = re.compile(r"%\(\w+\)s|\$\d+|\?")
BLANKS = re.compile(r"\s+")


def name_of(text: str) -> str | None:
    """Return the name of the statement with this text; None for a text that is not the workload's.

    >>> name_of("SELECT detail FROM audit_log WHERE operation_id = ?")
    'find_operation'
    """
    return _catalogue().get(_canonical(text))


def names_in(reader: Reader) -> Mapping[str, str]:
    """Return the named statements of the store by canonical text: those of drills, too."""
    sql = "SELECT text, name FROM statements WHERE name IS NOT NULL"
    return {_canonical(text): name for text, name in reader.rows(sql)}


def known(text: str, names: Mapping[str, str]) -> str | None:
    """Return the name of the statement with this text, of the workload or of the store."""
    canonical = _canonical(text)
    return _catalogue().get(canonical) or names.get(canonical)


@cache
def _catalogue() -> dict[str, str]:
    return {
        _canonical(redact.statement(statement.sql).text[:MAX_CHARACTERS]): statement.name
        for statement in STATEMENTS.values()
    }


def _canonical(text: str) -> str:
    """Remove blanks, case and forms of parameters, in which drivers and obfuscators differ."""
    return BLANKS.sub("", PARAMETER.sub("?", text).replace("%%", "%")).lower()
