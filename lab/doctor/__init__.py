"""Examines any PostgreSQL for what Database Monitoring and postgres_exporter need.

`read` is the one module that queries the database; `rules` are pure functions over `facts`. The database
may be any, and the connecting role may have few privileges: what it may not read is reported as unknown,
with the GRANT that is missing.
"""

from lab.doctor.check import Check, Fix, Report, Status, Then
from lab.doctor.examine import examine

__all__ = ["Check", "Fix", "Report", "Status", "Then", "examine"]
