"""`./creditlab verify`: consistency checks of the database and of the services' counters.

It checks invariants of money and customers in one snapshot of the database, and compares the services' own
counters with the database, exactly, over a window between two quiescent moments.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.verify.report import Check, Report, unknown
    from lab.verify.verification import run
else:
    __getattr__ = exports(__name__, "report", "verification")

__all__ = ["Check", "Report", "run", "unknown"]
