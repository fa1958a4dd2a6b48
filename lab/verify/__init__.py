"""`./creditlab verify`: consistency checks of the database and of the services' counters.

It checks invariants of money and customers in one snapshot of the database, and compares the services' own
counters with the database, exactly, over a window between two quiescent moments.
"""

from lab.verify.report import Check, Report, unknown
from lab.verify.run import run

__all__ = ["Check", "Report", "run", "unknown"]
