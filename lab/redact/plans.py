"""Plans without literals: what EXPLAIN (FORMAT JSON) and auto_explain write, with every condition redacted.

A plan quotes the statement's literals in Filter, Index Cond, Output, Sort Key and a dozen other keys, more
with each release. So only the keys that are known to hold names keep their text, by the rule for names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from lab.redact.comments import Comment, comments
from lab.redact.names import is_harmless, label
from lab.redact.sql import statement

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

# Keys whose text is a word of PostgreSQL's own or the name of an object.
NAMES = frozenset({
    "Alias", "Async Capable", "Command", "Constraint Name", "CTE Name", "Custom Plan Provider",
    "Function Name", "Grouping Sets", "Index Name", "Join Type", "Node Type", "Operation",
    "Parallel Aware", "Parent Relationship", "Partial Mode", "Relation", "Relation Name",
    "Scan Direction", "Schema", "Sort Method", "Sort Space Type", "Storage", "Strategy",
    "Subplan Name", "Trigger Name", "Tuplestore Name",
})  # fmt: skip
SHAPE = ("Node Type", "Relation Name", "Index Name", "Join Type", "Strategy", "Scan Direction")
# "CTE orders" is the one "Subplan Name" with a name in it.
CTE = "CTE "
LONGEST_KEY = 64
MAX_DEPTH = 200
MAX_BYTES = 4_000_000


class InvalidPlanError(ValueError):
    """The text is no plan in JSON, or a larger one than is stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A plan fit to be stored.

    Attributes:
        definition: JSON, one object with "Plan"; literals replaced by `?`.
        shape: 16 hexadecimal digits, equal for plans with the same nodes, relations and indexes.
        comment: from the plan's "Query Text", when it has one.
        statement: that text, redacted.
    """

    definition: str
    shape: str
    comment: Comment
    statement: str | None


def plan(text: str | bytes) -> Plan:
    """Redact a plan.

    Raises:
        InvalidPlanError: when it is none.
    """
    if len(text) > MAX_BYTES:
        raise InvalidPlanError(f"a plan of more than {MAX_BYTES} bytes")
    try:
        document: Json = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidPlanError("no JSON, or nested too deeply") from error
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict) or not isinstance(document.get("Plan"), dict):
        raise InvalidPlanError('an object with "Plan" was expected')
    query = document.pop("Query Text", None)
    redacted = statement(query) if isinstance(query, str) else None
    cleaned = _clean(document, 0)
    assert isinstance(cleaned, dict)
    shape = hashlib.sha256(msgspec.json.encode(_shape(cleaned["Plan"])))
    return Plan(
        definition=msgspec.json.encode(cleaned).decode(),
        shape=shape.hexdigest()[:16],
        comment=redacted.comment if redacted else comments(()),
        statement=redacted.text if redacted else None,
    )


def _clean(value: Json, depth: int, key: str = "") -> Json:
    if depth > MAX_DEPTH:
        raise InvalidPlanError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        # A key that is no word of EXPLAIN's could carry anything.
        return {k: _clean(v, depth + 1, k) for k, v in value.items() if _is_key(k)}
    if isinstance(value, list):
        return [_clean(v, depth + 1, key) for v in value]
    if isinstance(value, str):
        return _name(value) if key in NAMES else statement(value).text
    return value


def _name(value: str) -> str:
    return CTE + (label(value[len(CTE) :]) or "") if value.startswith(CTE) else label(value) or ""


def _is_key(key: str) -> bool:
    return len(key) <= LONGEST_KEY and not any(c.isdigit() for c in key) and is_harmless(key)


def _shape(node: Json) -> Json:
    if not isinstance(node, Mapping):
        return None
    below = node.get("Plans")
    children = [_shape(child) for child in below] if isinstance(below, list) else []
    return [*(node.get(key) for key in SHAPE), *children]
