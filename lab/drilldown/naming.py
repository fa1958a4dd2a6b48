"""From the text of a database span to the name of its statement in workload/sql/.

A tracer tells the statement as the program wrote it, with placeholders; the Agent tells it obfuscated, and
without the comment that holds the name. Both are the text of the program's own file, so the file is asked.
"""

import re
from functools import cache

from lab.telemetry import redact
from workload.statements import STATEMENTS

# The intake keeps as much of a span's resource.
MAX_CHARACTERS = 2_000
PARAMETER = re.compile(r"%\(\w+\)s|\$\d+|\?")
BLANKS = re.compile(r"\s+")


def name_of(text: str) -> str | None:
    """Return the name of the statement that has this text; None for a text that is not the workload's.

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
    """Without blanks and case, every parameter alike: what differs between a driver and an obfuscator."""
    return BLANKS.sub("", PARAMETER.sub("?", text)).lower()
