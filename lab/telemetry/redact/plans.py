"""Redaction of plans in JSON, from EXPLAIN (FORMAT JSON) and auto_explain: removes all literals.

A plan quotes the statement's literals in Filter, Index Cond, Output, Sort Key and a dozen other keys, more
with each release. So only keys whose values are names keep their text, by the rule for names; the text of any
other key is redacted as SQL.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from lab.telemetry.redact.names import is_harmless, label
from lab.telemetry.redact.sql import Redacted, statement
from lab.telemetry.redact.sqlcommenter import Comment, comments

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

# Keys whose value is a word of PostgreSQL or the name of an object.
NAMES = frozenset({
    "Alias", "Async Capable", "Command", "Constraint Name", "CTE Name", "Custom Plan Provider",
    "Function Name", "Grouping Sets", "Index Name", "Join Type", "Node Type", "Operation",
    "Parallel Aware", "Parent Relationship", "Partial Mode", "Relation", "Relation Name",
    "Scan Direction", "Schema", "Sort Method", "Sort Space Type", "Storage", "Strategy",
    "Subplan Name", "Trigger Name", "Tuplestore Name",
})  # fmt: skip
SHAPE = ("Node Type", "Relation Name", "Index Name", "Join Type", "Strategy", "Scan Direction")
# "CTE orders" is the only form of "Subplan Name" that contains a name.
CTE = "CTE "
LONGEST_KEY = 64
# A level of the plan is two levels of its JSON. The limit is below that of the JSON decoder.
MAX_LEVELS = 300
MAX_BYTES = 8_000_000
MAX_NODES = 10_000
# Nodes times subplans: each node may be the one that executed a subplan.
MAX_PAIRS = 2_000_000
# An empty list, three bytes of JSON, may take a hundred times that in memory: as much as LIKE_VALUES values.
MAX_VALUES, LIKE_VALUES = 600_000, 5
MAX_STATEMENT = 20_000
QUERY_TEXT = re.compile(r'"Query Text":\s*("(?:[^"\\]|\\.)*")')
FIGURES = frozenset({
    "Actual Loops", "Actual Rows", "Actual Startup Time", "Actual Total Time", "Plan Rows", "Total Cost",
})  # fmt: skip
# EXPLAIN ANALYZE of a MERGE into partitions (PostgreSQL 15 to 18) has its counts inside the list of tables.
MERGE_COUNTS = re.compile(r'\},((?:\s*"Tuples [A-Z][a-z]{1,12}": [0-9]{1,20},?)+)\s*\]')
STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|([\[{])|([\]}])')


class InvalidPlanError(ValueError):
    """The text is not a plan in JSON."""


class RejectedPlanError(InvalidPlanError):
    """The plan is too large or too deep to be stored, or not readable; the message has size and limit.

    `statement` is the plan's own, when it has one.
    """

    def __init__(self, reason: str, statement: Redacted | None) -> None:
        super().__init__(reason)
        self.statement = statement


@dataclass(frozen=True, kw_only=True, slots=True)
class RedactedPlan:
    """A redacted plan.

    Attributes:
        definition: JSON with "Plan" and, where it is known, "Statement"; literals replaced by `?`.
        shape: 16 hexadecimal digits, equal for plans with the same nodes, relations and indexes.
        comment: from the plan's "Query Text", when it has one.
        statement: that text, redacted.
    """

    definition: str
    shape: str
    comment: Comment
    statement: str | None


def plan(text: str | bytes) -> RedactedPlan:
    """Redact a plan.

    Raises:
        RejectedPlanError: when it is too large, too deep, or not readable.
        InvalidPlanError: when it is not a plan.
    """
    if reason := _too_large(text):
        raise RejectedPlanError(reason, _statement_of(text))
    try:
        document = _decoded(text)
    except RecursionError as error:
        raise _too_deep(text) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidPlanError("no JSON") from error
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict) or not isinstance(document.get("Plan"), dict):
        raise InvalidPlanError('an object with "Plan" was expected')
    if not _has_nodes(document["Plan"]):
        reason = "a node of the plan has no type, or a text where a number was expected"
        raise RejectedPlanError(reason, _statement_of(text))
    query = document.pop("Query Text", None)
    redacted = statement(query) if isinstance(query, str) else None
    cleaned = _clean(document)
    if cleaned is None:
        raise _too_deep(text)
    if redacted:
        cleaned["Statement"] = redacted.text[:MAX_STATEMENT]
    shape = hashlib.sha256(msgspec.json.encode(_shape(cleaned["Plan"])))
    return RedactedPlan(
        definition=msgspec.json.encode(cleaned).decode(),
        shape=shape.hexdigest()[:16],
        comment=redacted.comment if redacted else comments(()),
        statement=redacted.text if redacted else None,
    )


def _decoded(text: str | bytes) -> Json:
    document: Json
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        document = msgspec.json.decode(MERGE_COUNTS.sub(r"}],\1", _as_text(text)))
    return document


def _has_nodes(root: Json) -> bool:
    """Whether all nodes have a type, and numbers in the keys that calculations use."""
    pending = [root]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict) or not isinstance(node.get("Node Type"), str):
            return False
        if not all(isinstance(node[key], int | float) for key in FIGURES & node.keys()):
            return False
        below = node.get("Plans", [])
        if not isinstance(below, list):
            return False
        pending += below
    return True


def _clean(document: dict[str, Json]) -> dict[str, Json] | None:
    """Return a copy without literals and unknown keys; None when it is too deep."""
    result: dict[str, Json] = {}
    pending: list[tuple[Json, Json, str, int]] = [(document, result, "", 1)]
    while pending:
        source, target, key, depth = pending.pop()
        if depth > 2 * MAX_LEVELS:
            return None
        items = source.items() if isinstance(source, dict) else enumerate(_as_list(source))
        for name, value in items:
            # A key that EXPLAIN does not write may contain anything.
            if isinstance(name, str) and not _is_key(name):
                continue
            kept, under = value, name if isinstance(name, str) else key
            if isinstance(value, dict | list):
                kept = {} if isinstance(value, dict) else []
                pending.append((value, kept, under, depth + 1))
            elif isinstance(value, str):
                kept = _name(value) if under in NAMES else statement(value).text
            if isinstance(target, dict):
                target[str(name)] = kept
            else:
                _as_list(target).append(kept)
    return result


def _too_large(text: str | bytes) -> str | None:
    """Return why a plan is too large to be decoded, with its size; None when it is not."""
    if len(text) > MAX_BYTES:
        return f"plan too large: {len(text) / 1e6:,.1f} MB; the limit is {MAX_BYTES / 1e6:g} MB"
    nodes = _as_text(text).count('"Node Type"')
    if nodes > MAX_NODES:
        return f"plan too large: {nodes:,} nodes; the limit is {MAX_NODES:,}"
    subplans = _as_text(text).count('"Subplan Name"')
    if nodes * subplans > MAX_PAIRS:
        return f"plan too large: {subplans:,} subplans in {nodes:,} nodes; the limit of both is {MAX_PAIRS:,}"
    values = _values(text)
    if values > MAX_VALUES:
        return f"plan too large: {values:,} values, a list as {LIKE_VALUES}; the limit is {MAX_VALUES:,}"
    return None


def _values(text: str | bytes) -> int:
    """Return the approximate number of values of a large document, without lists in its SQL strings."""
    document = _as_text(text)
    if _weight(document) <= MAX_VALUES:
        return 0
    return _weight(STRING.sub("", document))


def _weight(document: str) -> int:
    return document.count(",") + LIKE_VALUES * sum(map(document.count, "[{"))


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _too_deep(text: str | bytes) -> RejectedPlanError:
    levels = _depth(text) // 2
    reason = f"plan too deep: {levels:,} levels; the limit is {MAX_LEVELS}"
    return RejectedPlanError(reason, _statement_of(text))


def _depth(text: str | bytes) -> int:
    """Return the nesting depth of brackets."""
    depth = deepest = 0
    for bracket in BRACKETS.finditer(_as_text(text)):
        depth += bool(bracket[1]) - bool(bracket[2])
        deepest = max(deepest, depth)
    return deepest


def _statement_of(text: str | bytes) -> Redacted | None:
    """Return the statement of a plan that is not decoded: auto_explain writes it first."""
    found = QUERY_TEXT.search(_as_text(text[:MAX_BYTES]))
    if found is None:
        return None
    try:
        return statement(msgspec.json.decode(found[1], type=str))
    except msgspec.DecodeError:
        return None


def _as_text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(errors="replace")


def _name(value: str) -> str:
    return CTE + (label(value[len(CTE) :]) or "") if value.startswith(CTE) else label(value) or ""


def _is_key(key: str) -> bool:
    return len(key) <= LONGEST_KEY and not any(c.isdigit() for c in key) and is_harmless(key)


def _shape(root: Json) -> list[Json]:
    """Return nested lists: for each node its values of SHAPE, then its children's lists."""
    whole: list[Json] = []
    pending = [(root, whole)]
    while pending:
        node, words = pending.pop()
        if not isinstance(node, Mapping):
            continue
        words += [node.get(key) for key in SHAPE]
        below = node.get("Plans")
        for child in below if isinstance(below, list) else ():
            child_words: list[Json] = []
            words.append(child_words)
            pending.append((child, child_words))
    return whole
