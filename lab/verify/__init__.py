"""`./creditlab verify`: the truth the observers are measured against, checked against itself.

Two kinds of checks: invariants of money and people, in one snapshot of the database; and the services'
own counters against the database, exactly, over a window between two moments at which nothing runs.
"""

from lab.verify.report import Check, Report, unknown
from lab.verify.run import run

__all__ = ["Check", "Report", "run", "unknown"]
