"""All drills by name. A further drill is one more file in faults/, and one more line here."""

from types import MappingProxyType

from lab.drills.drill import Drill
from lab.drills.errors import UnknownDrillError
from lab.drills.faults import (
    agent_stopped,
    burst,
    cache_eviction,
    checkpoint_pressure,
    connection_exhaustion,
    cpu_bound_sql,
    ddl_queue,
    deadlocks,
    exporter_stopped,
    held_snapshot,
    idle_in_transaction,
    missing_index,
    n_plus_one,
    postgres_restart,
    rollback_storm,
    row_lock_chain,
    sequential_scans,
    service_stopped,
    slow_application,
    slow_query,
    stale_statistics,
    work_mem_spill,
)
from lab.foundation.suggestions import unknown

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
            slow_application.DRILL,
            cache_eviction.DRILL,
            checkpoint_pressure.DRILL,
            exporter_stopped.DRILL,
            agent_stopped.DRILL,
            service_stopped.DRILL,
            postgres_restart.DRILL,
        )
    }
)
ALIASES = MappingProxyType(
    {alias: drill.name for drill in DRILLS.values() for alias in drill.aliases}
)


def find(name: str) -> Drill:
    """Return a drill by its name or alias, in capitals or not, with blanks or hyphens.

    Raises:
        UnknownDrillError: with the names there are.
    """
    plain = name.strip().lower().replace(" ", "-").replace("_", "-")
    known = ALIASES.get(plain, plain)
    if known not in DRILLS:
        raise UnknownDrillError(unknown("drill", name, [*DRILLS, *ALIASES]))
    return DRILLS[known]
