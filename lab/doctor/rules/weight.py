"""Which requirements an observer does not work without, and what meeting one costs in production."""

from dataclasses import replace
from types import MappingProxyType

from lab.doctor.check import Check, Need

# Without one of these an observer shows no queries, no plans, or other roles' sessions without their text.
REQUIRED = frozenset({
    "libraries", "pg_stat_statements", "statement_texts", "query_id", "datadog_role", "datadog_pg_monitor",
    "datadog_search_path", "exporter_role", "exporter_pg_monitor", "exporter_search_path",
    "datadog_schema", "explain_function", "explain_security_definer", "explain_works",
})  # fmt: skip
COSTS = MappingProxyType({
    "libraries":
        "needs a restart; pg_stat_statements keeps its texts in a file, and takes a lock for each new"
        " statement",
    "pg_stat_statements.max": "shared memory, and longer reads by the observers; needs a restart",
    "track_activity_query_size": "shared memory for each connection; needs a restart",
    "track_io_timing":
        "two clock reads for each block that is read: measure them with pg_test_timing, because some virtual"
        " machines have a slow clock",
    "log_destination": "a second copy of every log line: disk space and writes",
    "logging_collector": "needs a restart; a full disk of the log's file system loses log lines",
    "log_min_duration_statement":
        "log volume, and the log contains the statements' values, personal data included: begin with 1s on"
        " a busy server",
    "log_temp_files": "a log line for each temporary file: begin with 10MB on a server with many sorts",
    "log_autovacuum_min_duration": "a log line for each run of autovacuum",
    "auto_explain.log_min_duration":
        "log volume, by the size of the plans, with the statements' values: begin with 1s on a busy server",
    "auto_explain.log_analyze":
        "instruments every statement, also those that are not logged: each node of a plan reads the clock"
        " twice a row. Set auto_explain.log_timing = off, or auto_explain.sample_rate below 1, where that is"
        " too much",
    "auto_explain.log_buffers": "counts blocks in every statement; little beside log_analyze",
})  # fmt: skip


def weighed(check: Check) -> Check:
    """Return the check with its need and its cost."""
    need = Need.REQUIRED if check.name in REQUIRED else Need.RECOMMENDED
    return replace(check, need=need, cost=COSTS.get(check.name, ""))
