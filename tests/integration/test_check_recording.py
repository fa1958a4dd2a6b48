"""The embedded agent beside Datadog's postgres check: what each sends, field by field and metric by metric.

The check's side is tests/contract/check_recording.json, of a recording of the check 23.0.0; the embedded
agent's is measured here. The differences are the table in docs/intake.md. `AGENT_RECORDING=DIRECTORY` also
compares the file with the recording.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.telemetry.embedded import metrics
from lab.telemetry.embedded.__main__ import HOST, tags_of
from lab.telemetry.embedded.collector import Collector
from lab.telemetry.embedded.delivery import SERIES, SERVICE_CHECKS
from tests.fix_postgres import Database
from tests.recording import FILE, NULL, digest, forms_of, metrics_of

WITHIN_S = 150.0
TRACKS = {
    "/api/v2/dbmactivity": "dbm-activity",
    "/api/v2/databasequery": "dbm-samples",
    "/api/v2/dbmmetrics": "dbm-metrics",
    "/api/v2/dbmmetadata": "dbm-metadata",
}
BEGIN, END = "<!-- differences: begin -->", "<!-- differences: end -->"
# The embedded agent's own tag, and `service`, which an Agent adds to all series of an instance.
MARKS = {"agent", "service"}
COMMENT = (
    "/*ddps='credit-customers',"
    "traceparent='00-a0000000000000000000000000000001-b000000000000001-01'*/ "
)
WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
# Names that a NULL, as of a table that autovacuum has not processed yet, leaves out.
DECLARED = {
    f"postgresql.{name}"
    for query in metrics.QUERIES.values()
    for name in (*query.rates, *query.counts, *query.gauges)
}
Sent = dict[str, list[Any]]


@pytest.fixture
def sent(database: Database) -> Iterator[Sent]:
    """What an embedded agent sends, by path, of a database with a bit of everything."""
    found: Sent = defaultdict(list)
    settings = database.settings
    collector = Collector(
        host=HOST,
        database=settings.postgres_db,
        put=lambda path, events: found[path].extend(events),
        tags=tags_of(settings),
        activity_s=0,
    )
    with ExitStack() as stack:
        agent = stack.enter_context(database.connect(Role.DATADOG))
        admin = stack.enter_context(database.connect(Role.SUPERUSER))
        rows(admin, "CREATE TABLE wide AS SELECT generate_series(1, 2000) AS a")
        rows(admin, "GRANT SELECT ON wide TO datadog")
        # The role that explains may not read this one.
        rows(admin, "CREATE TABLE secret AS SELECT 1 AS one")
        rows(admin, "GRANT SELECT ON secret TO credit_app")
        rows(admin, "ANALYZE wide")
        collector.metadata(agent)
        collector.statements(agent)
        collector.check_metrics(agent)
        waits(stack, database)
        rows(agent, "SELECT datadog.explain_statement('SELECT 1')")
        rows(agent, "SELECT pg_stat_force_next_flush()")
        collector.sessions(agent)
        collector.statements(agent)
        collector.check_metrics(agent)
        yield found


def waits(stack: ExitStack, database: Database) -> None:
    """An idle session, one that is idle in a transaction, and one that waits for it."""
    idle = stack.enter_context(database.connect(Role.APP))
    refused = stack.enter_context(database.connect(Role.APP))
    holder = stack.enter_context(database.connect(Role.APP))
    waiter = stack.enter_context(database.connect(Role.APP))
    rows(idle, COMMENT + "SELECT count(*) FROM customers")
    rows(refused, COMMENT + "SELECT one FROM secret")
    rows(holder, "BEGIN")
    rows(holder, "SELECT pg_current_xact_id()")
    rows(holder, "SELECT pg_advisory_xact_lock(815)")
    rows(waiter, "BEGIN")
    rows(waiter, "SELECT pg_current_xact_id()")
    statement = COMMENT + "SELECT count(*), pg_advisory_xact_lock(815) FROM customers"
    thread = threading.Thread(target=rows, args=(waiter, statement))
    thread.start()
    stack.callback(thread.join, WITHIN_S)
    stack.callback(rows, holder, "COMMIT")
    await_state("a session waits", lambda: _missing(holder), within_s=WITHIN_S)


def _missing(connection: Connection) -> str | None:
    [[count]] = rows(connection, WAITING)
    return None if count else "none waits"


def table(check: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return the differences as a table of Markdown."""
    lines = [
        "| event | only from the check | only from the embedded agent |",
        "|---|---|---|",
    ]
    for kind, fields in check["events"].items():
        ours = own["events"].get(kind)
        if ours is None:
            lines.append(f"| {kind} | the event | |")
            continue
        lines.append(f"| {kind} | {_only(fields, ours)} | {_only(ours, fields)} |")
    names, ours = check["metrics"], own["metrics"]
    product = sorted(name for name in names if not name.startswith("postgresql.dd."))
    missing = [name.removeprefix("postgresql.") for name in product if name not in DECLARED]
    further = sorted(name.removeprefix("postgresql.") for name in ours.keys() - names.keys())
    lines.append(f"| metrics, after `postgresql.` | {_listed(missing)} | {_listed(further)} |")
    for name in sorted(names.keys() & ours.keys()):
        theirs, mine = names[name].split(), [t for t in ours[name].split() if t not in MARKS]
        if set(theirs) != set(mine):
            here, there = sorted(set(theirs) - set(mine)), sorted(set(mine) - set(theirs))
            lines.append(f"| tags of `{name}` | {_listed(here)} | {_listed(there)} |")
    return "\n".join(lines)


def _only(these: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Return the fields that the others lack, or have with another type; one that is always null is none."""
    known = {path: kind for path, kind in others.items() if kind != NULL}
    own = {path: kind for path, kind in these.items() if kind != NULL}
    absent = dict.fromkeys(_place(path, known) for path in own if path not in known)
    other = [f"{path}: {own[path]}" for path in own.keys() & known if own[path] != known[path]]
    return _listed([*absent, *sorted(other)])


def _place(path: str, known: Iterable[str]) -> str:
    """Return the highest part of a path below which the others have nothing."""
    parts = path.split(".")
    for number in range(1, len(parts)):
        place = ".".join(parts[:number])
        if not any(
            other == place or other.startswith((f"{place}.", f"{place}[")) for other in known
        ):
            return place
    return path


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def test_the_differences_are_those_of_the_document(sent: Sent) -> None:
    """docs/intake.md has the table; a change of the embedded agent changes it."""
    events = ((TRACKS[path], event) for path in TRACKS for event in sent[path])
    encoded = json.loads(json.dumps({"events": list(events), "series": sent[SERIES]}))
    own = {
        "events": forms_of(encoded["events"]),
        "metrics": metrics_of((s["metric"], s["type"], s["tags"]) for s in encoded["series"]),
    }
    check = json.loads(FILE.read_text(encoding="utf-8"))
    document = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
    _, _, rest = document.partition(f"{BEGIN}\n")
    stated, _, _ = rest.partition(f"\n{END}")
    measured = table(check, own)
    assert stated == measured, f"docs/intake.md must have:\n{measured}"
    assert {run["status"] for run in sent[SERVICE_CHECKS]} == {0}
    assert {run["check"] for run in sent[SERVICE_CHECKS]} == {"postgres.can_connect"}


@pytest.mark.skipif("AGENT_RECORDING" not in os.environ, reason="needs the recording itself")
def test_the_file_is_that_of_the_recording() -> None:
    """tests/contract/check_recording.json is what `python -m tests.recording` writes."""
    found = digest(Path(os.environ["AGENT_RECORDING"]))
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
