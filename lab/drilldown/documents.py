"""JSON documents of the drilldown's objects."""

from typing import Any

import msgspec


def to_json(answer: object) -> Any:
    """Convert an object of the drilldown to JSON types; times are ISO 8601 in UTC."""
    return msgspec.to_builtins(answer)
