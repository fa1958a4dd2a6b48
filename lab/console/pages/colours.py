"""CSS classes of services and wait classes: each has one colour on all pages.

The colours are in static/console.css, for light and dark mode, and are those of the Grafana dashboards
(grafana/generator/style.py).
"""

from lab.console.overview.services import FIVE

SERVICES = (*FIVE, "credit-shop")
DATABASE = ("postgres", "postgresql")
WAITS = (
    "CPU", "IO", "Lock", "LWLock", "BufferPin", "IPC", "Client", "Timeout", "Activity", "Extension",
)  # fmt: skip
SHADES = 5


def of_service(name: str | None) -> str:
    """Return the class of a service or of the database; other names have a neutral class."""
    if name in SERVICES:
        return f"c-{name}"
    return "c-database" if name in DATABASE else "c-other"


def of_wait(kind: str | None, shade: int = 0) -> str:
    """Return the class of a wait class; a session that waits for nothing uses the CPU.

    Args:
        kind: `wait_event_type` as PostgreSQL names it; None or CPU for none.
        shade: which event of the class it is: events of one class are shades of one colour.
    """
    known = kind if kind in WAITS else "other" if kind else "CPU"
    return f"c-{known} shade-{shade % SHADES}"
