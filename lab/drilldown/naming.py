"""Maps the text of a database span to the name of its statement in workload/sql/.

A tracer sends the statement with the program's placeholders; the Agent sends it obfuscated, without the
comment that contains the name. Both are the text of the program's own file, which is searched here.
"""

import re
from functools import cache

from lab.telemetry import redact
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


@cache
def _catalogue() -> dict[str, str]:
    return {
        _canonical(redact.statement(statement.sql).text[:MAX_CHARACTERS]): statement.name
        for statement in STATEMENTS.values()
    }


def _canonical(text: str) -> str:
    """Remove blanks, case and forms of parameters, in which drivers and obfuscators differ."""
    return BLANKS.sub("", PARAMETER.sub("?", text)).lower()
