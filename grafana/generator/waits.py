"""PromQL for active sessions: a wait event without a session at a scrape has no series; this adds a zero."""


def active(by: str) -> str:
    """Return the active sessions by wait event, 0 for a wait event seen earlier in the range."""
    now, seen = (
        f"sum by ({by}) ({series})"
        for series in (
            "wait_event:pg_active_sessions:sum",
            "last_over_time(wait_event:pg_active_sessions:sum[$__range])",
        )
    )
    return f"{now} or 0 * {seen}"


def by_statement(by: str, *, statement: str = ".*", queryid: str = ".*") -> str:
    """Return the active sessions of statements; one without a name of the workload is "unnamed"."""
    sessions = f'pg_active_sessions_count{{queryid=~"{queryid}"}}'
    info = f'queryid:credit_statement_info:last5m{{statement=~"{statement}"}}'
    name = f"max by (queryid, statement) ({info})"
    counted = f"sum by (queryid, wait_event_type, wait_event) ({sessions})"
    named = f"{counted} * on (queryid) group_left (statement) {name}"
    if statement != ".*":
        return f"sum by ({by}) ({named})"
    unnamed = f'label_replace({sessions}, "statement", "unnamed", "", "")'
    return f"sum by ({by}) ({named} or on (queryid, wait_event_type, wait_event) {unnamed})"
