"""The system under observation: five credit services on one PostgreSQL 15."""

__version__ = "0.2.0"
