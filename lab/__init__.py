"""Everything around the workload: life cycle, checks, observers and benchmarks of the lab."""
