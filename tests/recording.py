"""The form of what Datadog's postgres check sends, from a recording: fields by kind of event, and metrics.

`python -m tests.recording DIRECTORY` writes tests/contract/check_recording.json from a recording's
events.jsonl.gz and series.jsonl.gz. The file has names and types only.
"""

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lab.foundation.settings import ROOT

FILE = ROOT / "tests" / "contract" / "check_recording.json"
NULL = "null"
# Kind of event -> path of a field -> its types, such as "number" or "boolean|string"; "null": no other.
Forms: TypeAlias = dict[str, dict[str, str]]
# Of a field with another dictionary for each key.
ANY = {"cloud_metadata"}


def digest(directory: Path) -> dict[str, Any]:
    """Return the form of a recording."""
    with gzip.open(directory / "events.jsonl.gz", "rt", encoding="utf-8") as lines:
        forms = forms_of((one["track"], one["event"]) for one in map(json.loads, lines))
    with gzip.open(directory / "series.jsonl.gz", "rt", encoding="utf-8") as lines:
        metrics = metrics_of(
            (one["metric"], one["type"], one["tags"]) for one in map(json.loads, lines)
        )
    return {"events": forms, "metrics": metrics}


def metrics_of(series: Iterable[tuple[str, int, Iterable[str]]]) -> dict[str, str]:
    """Return the type of each metric in the series API, and the keys of its tags: "3: db env"."""
    types: dict[str, int] = {}
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for name, number, tags in series:
        types[name] = number
        keys[name] |= {tag.partition(":")[0] for tag in tags}
    return {name: f"{types[name]}: {' '.join(sorted(keys[name]))}" for name in sorted(types)}


def forms_of(events: Iterable[tuple[str, Mapping[str, Any]]]) -> Forms:
    """Return the fields of each kind of event, by track and kind."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for track, event in events:
        kind = event.get("kind") or event.get("dbm_type") or ""
        for path, name in _fields(event, ""):
            found[f"{track} {kind}".strip()][path].add(name)
    return {
        kind: {
            path: "|".join(sorted(types - {NULL})) or NULL
            for path, types in sorted(fields.items())
            # A list that may also be null, or empty.
            if types != {NULL} or not (f"{path}[]" in fields or _has_below(fields, path))
        }
        for kind, fields in sorted(found.items())
    }


def _has_below(fields: Iterable[str], path: str) -> bool:
    return any(other.startswith((f"{path}.", f"{path}[")) for other in fields)


def _fields(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}" if path else str(key))
        if path.rpartition(".")[2] in ANY or not value:
            yield path, "object"
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, f"{path}[]")
        if not value:
            yield f"{path}[]", NULL
    else:
        yield path, _type(value)


def _type(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"


if __name__ == "__main__":
    text = json.dumps(digest(Path(sys.argv[1])), indent=1, sort_keys=True)
    FILE.write_text(f"{text}\n", encoding="utf-8")
