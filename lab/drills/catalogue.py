"""All drills by name. A further drill is one more file in faults/, and one more line here."""

from types import MappingProxyType

from lab.drills.drill import Drill
from lab.drills.errors import UnknownDrillError
from lab.drills.faults import (
    burst,
    connection_exhaustion,
    cpu_bound_sql,
    ddl_queue,
    deadlocks,
    held_snapshot,
    idle_in_transaction,
    missing_index,
    n_plus_one,
    rollback_storm,
    row_lock_chain,
    sequential_scans,
    slow_query,
    stale_statistics,
    work_mem_spill,
)
from lab.stack.suggestions import unknown

DRILLS = MappingProxyType(
    {
        drill.name: drill
        for drill in (
            row_lock_chain.DRILL,
            ddl_queue.DRILL,
            idle_in_transaction.DRILL,
            deadlocks.DRILL,
            missing_index.DRILL,
            stale_statistics.DRILL,
            sequential_scans.DRILL,
            slow_query.DRILL,
            cpu_bound_sql.DRILL,
            connection_exhaustion.DRILL,
            held_snapshot.DRILL,
            work_mem_spill.DRILL,
            n_plus_one.DRILL,
            burst.DRILL,
            rollback_storm.DRILL,
        )
    }
)
ALIASES = MappingProxyType(
    {alias: drill.name for drill in DRILLS.values() for alias in drill.aliases}
)


def find(name: str) -> Drill:
    """Return a drill by its name or alias.

    Raises:
        UnknownDrillError: with the names there are.
    """
    known = ALIASES.get(name, name)
    if known not in DRILLS:
        raise UnknownDrillError(unknown("drill", name, [*DRILLS, *ALIASES]))
    return DRILLS[known]
