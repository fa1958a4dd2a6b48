"""Shortens the JSON schema of a tool's arguments: a model reads all of them before its first call.

Left out: titles that repeat the name, `null` as an alternative of an argument that has a default, and
references to definitions that are used once.
"""

from collections.abc import Mapping
from typing import Any

OF_TYPES = frozenset({"title", "description"})


def shortened(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that accepts the same arguments, and omits what the model need not read."""
    definitions = schema.get("$defs", {})
    properties = {
        name: _argument(value, definitions) for name, value in schema.get("properties", {}).items()
    }
    kept = {key: schema[key] for key in ("required", "additionalProperties") if key in schema}
    return {"type": "object", "properties": properties, **kept}


def _argument(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: each for key, each in value.items() if key != "title"}
    choices = [one for one in found.pop("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        found = {**choices[0], **found}
    elif choices:
        found["anyOf"] = choices
    if found.get("default", ...) is None:
        del found["default"]
    return _resolved(found, definitions)


def _resolved(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(value)
    if reference := found.pop("$ref", None):
        named = definitions[reference.rpartition("/")[2]]
        found = {**{k: v for k, v in named.items() if k not in OF_TYPES}, **found}
    if isinstance(items := found.get("items"), Mapping):
        found["items"] = _resolved(items, definitions)
    if isinstance(properties := found.get("properties"), Mapping):
        found["properties"] = {k: _argument(v, definitions) for k, v in properties.items()}
    return found
