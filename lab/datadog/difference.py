"""Compares a definition with the stored object, in the definition's fields only: Datadog adds many others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The API uses both names for one type.
SAME_TYPE = {"metric alert": "query alert"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """A changed field, such as `options.thresholds.critical`: the stored value and the definition's value."""

    field: str
    stored: Any
    ours: Any


def changes(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the fields of the definition whose stored value differs.

    >>> changes({"type": "query alert", "tags": ["b", "a"]}, {"type": "metric alert", "tags": ["a", "b"]})
    ()
    >>> changes({"options": {"thresholds": {"critical": 3}}}, {"id": 7, "options": {"thresholds": {}}})
    (Change(field='options.thresholds.critical', stored=None, ours=3),)
    """
    return tuple(_in(_canonical(wanted), _canonical(stored), ""))


def _canonical(body: Mapping[str, Any]) -> dict[str, Any]:
    copy = dict(body)
    if "tags" in copy:
        copy["tags"] = sorted(tag.lower() for tag in copy["tags"] or ())
    if copy.get("type") in SAME_TYPE:
        copy["type"] = SAME_TYPE[copy["type"]]
    return copy


def _in(wanted: Any, stored: Any, field: str) -> Iterator[Change]:
    if isinstance(wanted, Mapping) and isinstance(stored, Mapping):
        for key, value in wanted.items():
            yield from _in(value, stored.get(key), f"{field}.{key}" if field else key)
    elif _is_list(wanted) and _is_list(stored) and len(wanted) == len(stored):
        for index, (value, other) in enumerate(zip(wanted, stored, strict=True)):
            yield from _in(value, other, f"{field}[{index}]")
    elif wanted != stored:
        yield Change(field=field, stored=stored, ours=wanted)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
