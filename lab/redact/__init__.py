"""Keeps personal data out of whatever the lab stores, and reads the comments that link SQL to traces.

psycopg2 interpolates parameters on the client, so raw statements, plans and log lines hold the customers'
own data. Everything passes here before it is stored. The rule is to keep what is known to be safe, not to
remove what is known to be personal: an unknown thing becomes `?`.
"""

from lab.redact.comments import Comment, comments, render
from lab.redact.key import use_file
from lab.redact.messages import error_message, is_raised
from lab.redact.names import hashed, is_harmless, label
from lab.redact.plans import InvalidPlanError, Plan, RejectedPlanError, plan
from lab.redact.sql import Redacted, statement
from lab.redact.tags import number, resource, tag
from lab.redact.words import sqlstates

__all__ = [
    "Comment",
    "InvalidPlanError",
    "Plan",
    "Redacted",
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
