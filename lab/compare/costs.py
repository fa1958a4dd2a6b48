"""The cost of monitoring for the database, from its own statistics by role."""

from lab.compare.comparison import Cost
from lab.compare.side import TruthSide

WINDOW = "SELECT extract(epoch FROM clock_timestamp() - stats_reset) FROM pg_stat_statements_info"
ROLES = """
SELECT r.rolname, coalesce(sum(s.calls), 0)::float, coalesce(sum(s.total_exec_time), 0)::float,
       coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::float,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usename = r.rolname)
FROM pg_roles r LEFT JOIN pg_stat_statements s ON s.userid = r.oid AND s.toplevel
WHERE r.rolname IN ('credit_app', 'credit_owner', 'datadog', 'datadog_explain', 'postgres_exporter', 'lab')
GROUP BY r.rolname ORDER BY 3 DESC"""


def costs(truth: TruthSide) -> tuple[tuple[Cost, ...], float]:
    """Return the cost of each role, averaged since the last statistics reset, and the seconds since then."""
    window = truth.ask(WINDOW)
    seconds = max(float(window[0][0]), 1.0) if window else 1.0
    found = truth.ask(ROLES)
    total = sum(row[2] for row in found) or 1.0
    return (
        tuple(
            Cost(
                role=role,
                calls_per_s=calls / seconds,
                ms_per_s=ms / seconds,
                share_percent=100 * ms / total,
                blocks_per_s=blocks / seconds,
                sessions=int(sessions),
            )
            for role, calls, ms, blocks, sessions in found
        ),
        seconds,
    )
