"""Examines any PostgreSQL for what Database Monitoring and postgres_exporter need.

One module reads (`read`), the rules judge (`rules`, pure functions over `facts`). The
database need not be the lab's, and the role that asks need not be allowed much: what it may not see is
unknown, with the grant that would help.
"""

from lab.doctor.check import Check, Fix, Report, Status, Then
from lab.doctor.examine import examine

__all__ = ["Check", "Fix", "Report", "Status", "Then", "examine"]
