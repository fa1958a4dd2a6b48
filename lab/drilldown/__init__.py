"""From a trace to its statement to its executed plan: the library below the console's pages and the CLI.

`Drilldown.of(settings)` is the entry point. It returns frozen dataclasses of plain values, which
`msgspec.to_builtins` converts to JSON types; times are ISO 8601 in UTC, queryids are decimal text, because a
JSON number cannot hold them. The reason for an empty field is in the object's `absent`, under its name.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.drilldown.errors import MalformedIdError, NotFoundError
    from lab.drilldown.local import Drilldown
    from lab.drilldown.queries import By
    from lab.drilldown.traces import Order, Search
else:
    __getattr__ = exports(__name__, "errors", "queries", "traces", "local")

__all__ = ["By", "Drilldown", "MalformedIdError", "NotFoundError", "Order", "Search"]
