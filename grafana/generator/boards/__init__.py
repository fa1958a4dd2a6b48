"""The nine dashboards, one module each; `BOARDS` builds them in the order of their numbers."""

from grafana.generator.boards import (
    comparison,
    internals,
    observers,
    overview,
    queries,
    query,
    sessions,
    shop,
    tables,
)

BOARDS = (
    overview.build,
    queries.build,
    query.build,
    tables.build,
    sessions.build,
    internals.build,
    observers.build,
    comparison.build,
    shop.build,
)
