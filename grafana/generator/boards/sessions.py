"""(5) Locks, sessions and waits: active and waiting sessions, and the use of connections."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import (
    QUERIES,
    SESSIONS,
    Section,
    board,
    database,
    series_in_console,
    sessions_in_console,
    to_board,
)
from grafana.generator.panels import HALF, THIRD, WHOLE, Panel, graph, link, note, number
from grafana.generator.source import Query, grown_by
from grafana.generator.tables import Column, rows
from grafana.generator.waits import active, by_statement

CLIENTS = 'pg_stat_activity_count{backend_type="client backend"}'
DEADLOCKS = 'pg_stat_database_deadlocks{datname="$database"}'
# The two sessions of a wait, and the widths of their columns in px.
PAIR = {
    "pid": 90,
    "user": 120,
    "application": 200,
    "blocker_pid": 100,
    "blocker_user": 120,
    "blocker_application": 200,
    "blocker_state": 150,
}
TRANSACTION_AGE = 'pg_stat_activity_max_tx_duration{datname="$database"'


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SESSIONS,
        "5 Locks, sessions and waits",
        "Active sessions by wait event, blocked sessions, idle transactions, the longest transaction, and"
        " the use of connections.",
        Section(title="Now", panels=_now()),
        Section(title="Wait events", panels=_waits()),
        Section(title="Locks", panels=[*_locks(), _blocked()]),
        Section(title="Transactions", panels=_transactions()),
        Section(title="Connections", panels=_connections(), collapsed=True),
        variables=[database()],
    )


def _now() -> list[Panel]:
    return [
        note(
            "How to read this",
            "A sample of pg_stat_activity at each scrape: events shorter than 10 s may be missed."
            " Prometheus counts waiting sessions, without pids: for **who blocks whom** and the SQL,"
            " open *DBM: samples* above, or query PostgreSQL: `SELECT pid, pg_blocking_pids(pid), query"
            " FROM pg_stat_activity WHERE wait_event_type = 'Lock'`.",
        ),
        number(
            "Active sessions per core",
            "Sessions in state active, without the exporter's own, divided by the processors of the host.",
            style.COUNT,
            Query(expr="sum(wait_event:pg_active_sessions:sum) / scalar(max(lab_host_cpus))"),
            thresholds=style.steps(1, 3),
            decimals=1,
        ),
        number(
            "Blocked sessions",
            "Sessions that wait for a lock.",
            style.COUNT,
            Query(expr="sum(pg_blocked_sessions_count)"),
            thresholds=style.steps(1, 5),
            links=[link("Sessions in the console", sessions_in_console())],
        ),
        number(
            "Longest lock wait",
            "Age of the oldest wait. The services time out after 10 s (lock_timeout); a session that waits"
            " longer is not theirs.",
            style.SECONDS,
            Query(expr="max(pg_blocked_sessions_longest_wait_seconds)"),
            thresholds=style.steps(1, 5),
            decimals=1,
        ),
        number(
            "Longest transaction",
            "Age of the oldest open transaction of this database. It prevents vacuum from removing dead"
            " tuples, and keeps its locks.",
            style.SECONDS,
            Query(expr=f"max({TRANSACTION_AGE}}})"),
            thresholds=style.steps(30, 300),
            decimals=1,
        ),
        number(
            "Idle in transaction",
            "Sessions with an open transaction and no running statement. The application did not commit, or"
            " does slow work within the transaction.",
            style.COUNT,
            Query(expr='sum(pg_stat_activity_count{state=~"idle in transaction.*"})'),
            thresholds=style.steps(5, 20),
        ),
        number(
            "Connections in use",
            "Client sessions as a share of max_connections.",
            style.SHARE,
            Query(expr="max(instance:pg_connections_used:ratio)"),
            thresholds=style.steps(0.7, 0.9),
            decimals=0,
        ),
    ]


def _waits() -> list[Panel]:
    return [
        graph(
            "Active sessions by type of wait",
            "CPU (green): no wait. Lock: waits for another transaction. LWLock: contention inside"
            " PostgreSQL. IO: the disk. Client: the application does not read its result.",
            style.COUNT,
            Query(expr=active("wait_event_type"), legend="{{wait_event_type}}"),
            width=HALF,
            height=9,
            colours=style.WAITS,
            stacked=True,
            bars=True,
            links=[link("Which statements", to_board(QUERIES))],
        ),
        graph(
            "Active sessions by wait event",
            "The same by wait event. Lock: transactionid is a row that another transaction changed,"
            " Lock: relation a table that DDL has locked or waits for.",
            style.COUNT,
            Query(
                expr=active("wait_event_type, wait_event"),
                legend="{{wait_event_type}}: {{wait_event}}",
            ),
            width=HALF,
            height=9,
            stacked=True,
            bars=True,
        ),
        graph(
            "Active sessions by statement",
            "Which statements the active sessions ran, at each scrape: the ten of this time range that ran"
            " longest. Statements shorter than the interval are seen by chance, in proportion to"
            " their time.",
            style.COUNT,
            Query(
                expr=f"{by_statement('statement')} and on (statement) topk(10, sum by (statement)"
                f" (sum_over_time(({by_statement('statement')})[$__range:10s] @ end())))",
                legend="{{statement}}",
            ),
            width=WHOLE,
            height=9,
            stacked=True,
            bars=True,
            empty="No session was active at a scrape",
            links=[link("In the console", series_in_console())],
        ),
    ]


def _blocked() -> Panel:
    def of(metric: str) -> str:
        return f"max by ({', '.join(PAIR)}) (pg_blocked_session_{metric})"

    return rows(
        "Who waits for whom",
        "A row for each pair, as of the last scrape. A blocker that is itself in the first column waits, too:"
        " the session that only blocks is the root. *idle in transaction*: its application has to commit.",
        Column(
            title="waits since",
            unit=style.SECONDS,
            expr=of("wait_seconds"),
            thresholds=style.steps(1, 5),
            decimals=1,
        ),
        Column(
            title="blocker's transaction",
            unit=style.SECONDS,
            expr=of("blocker_transaction_seconds"),
            decimals=1,
        ),
        labels=PAIR,
        sort="waits since",
        links={
            name: [link("Sessions in the console", sessions_in_console())]
            for name in ("pid", "blocker_pid")
        },
        height=8,
    )


def _locks() -> list[Panel]:
    return [
        graph(
            "Blocked sessions",
            "Number of sessions that wait for a lock. Steps are a queue behind one transaction: it ends"
            " when that transaction ends, or its session is terminated (pg_terminate_backend).",
            style.COUNT,
            Query(expr="sum(pg_blocked_sessions_count)", legend="blocked"),
            colours={"blocked": style.RED},
            thresholds=style.steps(1),
        ),
        graph(
            "Longest lock wait",
            "A slope of one second per second is a single long wait.",
            style.SECONDS,
            Query(expr="max(pg_blocked_sessions_longest_wait_seconds)", legend="oldest wait"),
            colours={"oldest wait": style.RED},
            thresholds=style.steps(5),
        ),
        graph(
            "Deadlocks",
            "Deadlocks that PostgreSQL ended by canceling one transaction. None is expected. Only"
            " PostgreSQL's log has the statements.",
            style.COUNT,
            Query(
                expr=f"sum({grown_by(DEADLOCKS)})",
                legend="deadlocks",
            ),
            bars=True,
            colours={"deadlocks": style.RED},
        ),
        graph(
            "Locks held or awaited, by mode",
            "AccessExclusive is DDL, VACUUM FULL or LOCK TABLE: while it is held or awaited, all other"
            " sessions queue behind it. RowExclusive is an ordinary write.",
            style.COUNT,
            Query(
                expr='sum by (mode) (pg_locks_count{datname="$database"})',
                legend="{{mode}}",
            ),
            width=24,
            height=9,
            colours={"accessexclusivelock": style.RED, "exclusivelock": style.AMBER},
        ),
    ]


def _transactions() -> list[Panel]:
    return [
        graph(
            "Sessions by state",
            "Idle sessions belong to the pools and cost little. Idle in transaction is a session that holds"
            " locks and runs no statement.",
            style.COUNT,
            Query(
                expr='sum by (state) (pg_stat_activity_count{datname="$database",'
                ' state!~"disabled|fastpath.*"})',
                legend="{{state}}",
            ),
            colours=style.STATES,
            stacked=True,
        ),
        graph(
            "Oldest transaction by state",
            "Active and old: a long query. Idle in transaction and old: an application that did not commit."
            " Both prevent vacuum from removing dead tuples, in every table.",
            style.SECONDS,
            Query(
                expr=f'max by (state) ({TRANSACTION_AGE}, state!~"disabled|fastpath.*|idle"}})',
                legend="{{state}}",
            ),
            colours=style.STATES,
            thresholds=style.steps(30, 300),
        ),
        graph(
            "Commits and rollbacks",
            "Per second. Many rollbacks are a repeated error: check the error classes of the"
            " services.",
            style.PER_SECOND,
            *(
                Query(
                    expr=f'sum(rate(pg_stat_database_xact_{way}{{datname="$database"}}[$__rate_interval]))',
                    legend=legend,
                )
                for way, legend in (("commit", "committed"), ("rollback", "rolled back"))
            ),
            colours={"committed": style.GREEN, "rolled back": style.RED},
        ),
    ]


def _connections() -> list[Panel]:
    limits = "max by (usename) (label_replace(pg_roles_connection_limit > 0,"
    limits += ' "usename", "$1", "rolname", "(.+)"))'
    used = f"sum by (usename) ({CLIENTS})"
    return [
        graph(
            "Client sessions by role",
            "Connections by role. Each role has its own limit, so that none can take the last"
            " connection of another.",
            style.COUNT,
            Query(expr=used, legend="{{usename}}"),
            width=THIRD,
            colours=style.ROLES,
            stacked=True,
        ),
        graph(
            "The services' pools",
            "Connections of the services' pools, in use and idle.",
            style.COUNT,
            Query(expr="sum by (state) (credit_pool_connections)", legend="{{state}}"),
            width=THIRD,
            colours={"busy": style.AMBER, "idle": style.GREY},
            stacked=True,
        ),
        graph(
            "Wait for a pooled connection",
            "99 % of the operations got their connection within this time. High while PostgreSQL is idle:"
            " the pool is too small, or an operation holds its connection while it does other work.",
            style.SECONDS,
            Query(
                expr="histogram_quantile(0.99, sum by (service, le)"
                " (rate(credit_pool_wait_seconds_bucket[$__rate_interval])))",
                legend="{{service}}",
            ),
            width=THIRD,
            colours=style.SERVICES,
            empty="No operation requested a connection",
        ),
        rows(
            "Sessions and limits by role",
            "Near 100 %, further sessions are refused: FATAL, too many connections for role.",
            Column(title="sessions", unit=style.EXACT, expr=used, decimals=0),
            Column(
                title="limit",
                unit=style.EXACT,
                expr=f"{limits} and on (usename) {used}",
                decimals=0,
            ),
            Column(
                title="used",
                unit=style.SHARE,
                expr=f"{used} / on (usename) {limits}",
                thresholds=style.steps(0.7, 0.9),
                decimals=0,
            ),
            labels={"usename": 300},
            sort="sessions",
            height=7,
        ),
    ]
