"""Keeps personal data out of whatever the lab stores, and reads the comments that link SQL to traces.

psycopg2 interpolates parameters on the client, so raw statements, plans and log lines hold the customers'
own data. Everything passes here before it is stored. The rule is to keep what is known to be safe, not to
remove what is known to be personal: an unknown thing becomes `?`.
"""

from lab.redact.comments import Comment, comments, render
from lab.redact.messages import error_message, is_safe_tag, label, tag
from lab.redact.plans import InvalidPlanError, Plan, plan
from lab.redact.sql import Redacted, statement

__all__ = [
    "Comment",
    "InvalidPlanError",
    "Plan",
    "Redacted",
    "comments",
    "error_message",
    "is_safe_tag",
    "label",
    "plan",
    "render",
    "statement",
    "tag",
]
