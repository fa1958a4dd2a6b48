"""Redaction: removes personal data before anything is stored, and parses comments that link SQL to traces.

psycopg2 interpolates parameters on the client, so raw statements, plans and log lines contain customers'
data. Everything is redacted before it is stored. The rule is an allow-list: keep what is known to be safe;
any other text becomes `?`.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.telemetry.redact.key import use_file
    from lab.telemetry.redact.messages import error_message, is_raised
    from lab.telemetry.redact.names import hashed, is_harmless, label
    from lab.telemetry.redact.plans import InvalidPlanError, RedactedPlan, RejectedPlanError, plan
    from lab.telemetry.redact.sql import Redacted, statement
    from lab.telemetry.redact.sqlcommenter import Comment, comments, render
    from lab.telemetry.redact.tags import number, resource, tag
    from lab.telemetry.redact.words import sqlstates
else:
    __getattr__ = exports(
        __name__, "key", "sqlcommenter", "names", "tags", "words", "sql", "plans", "messages"
    )

__all__ = [
    "Comment",
    "InvalidPlanError",
    "Redacted",
    "RedactedPlan",
    "RejectedPlanError",
    "comments",
    "error_message",
    "hashed",
    "is_harmless",
    "is_raised",
    "label",
    "number",
    "plan",
    "render",
    "resource",
    "sqlstates",
    "statement",
    "tag",
    "use_file",
]
