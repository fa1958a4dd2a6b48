"""The largest values that the lab accepts, for settings, options and the control endpoints alike.

Larger values are refused everywhere. The module has no dependency, so that the command line
can show them in its help without loading the settings.
"""

# Multiplier of every arrival rate.
MAX_LOAD = 10_000.0
# Arrivals per second of one service in one process, for any load and shape: the engine limits its
# rates to this. Counting an arrival takes a few microseconds, so the limit costs a tenth of a core.
MAX_ARRIVALS_PER_S = 20_000.0
# Seconds that each operation may be delayed by PUT /delay.
MAX_DELAY_S = 30.0
# Scale of the seed: 1 is 10,000 customers.
MIN_SCALE, MAX_SCALE = 0.001, 1_000.0
# A year.
MAX_HOURS = 8_784.0
MAX_SECONDS = 86_400.0
# PostgreSQL's own limit of its timeouts.
MAX_MILLISECONDS = 2**31 - 1
MAX_THREADS = 1_000
# The maximum of a bigint.
MIN_BIGINT, MAX_BIGINT = -(2**63), 2**63 - 1
