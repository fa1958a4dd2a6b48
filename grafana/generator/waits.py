"""PromQL for active sessions: a wait that nobody is in at a scrape has no series, so it is given a zero."""


def active(by: str) -> str:
    """Return the active sessions by what they wait for, 0 for a wait that was seen before."""
    now, seen = (
        f"sum by ({by}) ({series})"
        for series in (
            "wait_event:pg_active_sessions:count",
            "last_over_time(wait_event:pg_active_sessions:count[$__range])",
        )
    )
    return f"{now} or 0 * {seen}"
