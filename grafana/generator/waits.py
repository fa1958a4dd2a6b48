"""PromQL for active sessions: a wait event without a session at a scrape has no series; this adds a zero."""


def active(by: str) -> str:
    """Return the active sessions by wait event, 0 for a wait event seen earlier in the range."""
    now, seen = (
        f"sum by ({by}) ({series})"
        for series in (
            "wait_event:pg_active_sessions:count",
            "last_over_time(wait_event:pg_active_sessions:count[$__range])",
        )
    )
    return f"{now} or 0 * {seen}"
