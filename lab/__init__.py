"""Everything around the workload: life cycle, checks, observers and benchmarks of the lab."""

__version__ = "0.1.0"
