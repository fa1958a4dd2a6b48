"""Traces of the real process: spans as an Agent receives them, the DBM comment as PostgreSQL does."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lab.clients.database import Role
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database, free_port
from tests.fix_receiver import Receiver, Span
from tests.fix_workload import Process, ask, cloned, running_service
from workload import __version__

COMMENT = re.compile(r"^/\*(?P<tags>[^*]*)\*/ (?P<sql>.*)$", re.DOTALL)
EXEMPLAR = re.compile(
    r'^(?P<series>\w+)_bucket\{.*\} \S+ # \{span_id="(?P<span>[0-9a-f]{16})",'
    r'trace_id="(?P<trace>[0-9a-f]{32})"\}',
    re.MULTILINE,
)
SOON_SECONDS = 120
# ddtrace's writer wakes up by a deadline on the wall clock that datefudge does not shift, and so never does.
pytestmark = pytest.mark.real_clock
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def await_true(what: str, holds: Callable[[], object], seen: Callable[[], object]) -> None:
    await_state(what, lambda: None if holds() else str(seen()), within_s=SOON_SECONDS)


class Traced:
    """credit-customers with a receiver of its own, after it has run for a while."""

    def __init__(self, database: Database, process: Process, receiver: Receiver) -> None:
        self.database = database
        self.process = process
        self.receiver = receiver

    @property
    def spans(self) -> list[Span]:
        return self.receiver.spans()

    def of(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture(scope="module")
def traced(
    cluster: Cluster, seeded_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Traced]:
    """A failing operation, update_contact, is among what it does: PostgreSQL refuses each change."""
    receiver = Receiver()
    with cloned(cluster, seeded_template) as database:
        ask(
            database,
            "ALTER TABLE customers ADD CONSTRAINT refuse CHECK (email = '') NOT VALID",
            role=Role.SUPERUSER,
        )
        settings = database.settings.model_copy(
            update={"rate_lookup": 20.0, "rate_statement": 20.0, "rate_update_contact": 5.0}
        )
        folder = tmp_path_factory.mktemp("traced")
        agent = {"DD_TRACE_AGENT_URL": receiver.url, "DD_TRACE_WRITER_INTERVAL_SECONDS": "0.2"}
        with running_service("customers", settings, folder, agent) as process:
            traced = Traced(database, process, receiver)
            wanted = {"lookup", "statement", "update_contact"}

            def missing() -> str | None:
                seen = {span.resource for span in traced.of("credit.operation")}
                return None if seen == wanted else f"spans of {sorted(seen)}"

            await_state("spans of every operation", missing, within_s=SOON_SECONDS)
            yield traced
    receiver.close()


def test_each_operation_is_a_trace_with_its_statements_beneath(traced: Traced) -> None:
    """A root span credit.operation; the psycopg2 spans are its children."""
    roots = {span.span_id: span for span in traced.of("credit.operation")}
    assert {span.service for span in roots.values()} == {"credit-customers"}
    assert {span.parent_id for span in roots.values()} == {0}
    assert {(span.meta["env"], span.meta["version"]) for span in roots.values()} == {
        ("lab", __version__)
    }
    queries = traced.of("postgres.query")
    assert {query.service for query in queries} == {"credit-customers"}
    beneath = Counter(roots[q.parent_id].resource for q in queries if q.parent_id in roots)
    assert set(beneath) == {"lookup", "statement", "update_contact"}
    lookups = [
        s for s in roots.values() if s.resource == "lookup" and "credit.proposals" in s.metrics
    ]
    assert lookups
    assert {span.meta["credit.outcome"] for span in lookups} == {"ok"}


def test_a_statement_span_names_the_statement_and_holds_no_value(traced: Traced) -> None:
    """The resource is the text with placeholders, its own comment at the end."""
    resources = {span.resource for span in traced.of("postgres.query")}
    lookup = next(text for text in resources if "statement='customer_by_cpf'" in text)
    assert "%(cpf)s" in lookup


def test_a_failed_operation_is_an_error_on_both_levels(traced: Traced) -> None:
    failed = [span for span in traced.of("credit.operation") if span.resource == "update_contact"]
    assert {span.error for span in failed} == {1}
    assert {span.meta["credit.outcome"] for span in failed} == {"error"}
    [message] = {span.meta["error.message"] for span in failed}
    assert 'violates check constraint "refuse"' in message
    ids = {span.span_id for span in failed}
    statements = [
        span
        for span in traced.of("postgres.query")
        if span.parent_id in ids and "statement='update_contact'" in span.resource
    ]
    assert {span.error for span in statements} == {1}
    assert {span.meta["error.message"] for span in statements} == {message}


def test_no_personal_data_leaves_the_process(traced: Traced) -> None:
    """Neither what the receiver got nor the log holds a CPF or a name; PostgreSQL quoted both."""
    sent = b"".join(traced.receiver.bodies).decode(errors="replace")
    logged = traced.process.output.read_text()
    assert "violates check constraint" in sent
    assert "violates check constraint" in logged
    for cpf, name in ask(traced.database, "SELECT cpf, full_name FROM customers"):
        assert cpf not in sent + logged
        assert name not in sent + logged


def test_an_error_in_the_log_leads_to_its_trace(traced: Traced) -> None:
    lines = [json.loads(line) for line in traced.process.output.read_text().splitlines()]
    failures = {line["span_id"] for line in lines if line.get("operation") == "update_contact"}
    known = {f"{span.span_id:016x}" for span in traced.of("credit.operation")}
    assert failures & known


def test_postgresql_sees_service_and_traceparent_in_each_statement(traced: Traced) -> None:
    """The comment of DBM propagation stands before the text; its span is one that the receiver gets."""
    seen: dict[str, str] = {}

    def look() -> bool:
        for (query,) in ask(
            traced.database,
            "SELECT query FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'credit-customers'",
        ):
            if found := COMMENT.match(query):
                tags = dict(tag.split("=", 1) for tag in found["tags"].split(","))
                seen.update({key: value.strip("'") for key, value in tags.items()})
        return "traceparent" in seen

    await_true("a statement with a traceparent", look, lambda: seen)
    assert (seen["ddps"], seen["dde"], seen["ddpv"]) == ("credit-customers", "lab", __version__)
    # The database, and not its caller once more.
    assert seen["dddbs"] == traced.database.settings.postgres_db
    span_id = int(seen["traceparent"].split("-")[2], 16)
    await_true(
        "its span",
        lambda: span_id in {s.span_id for s in traced.spans if s.name.startswith("postgres.")},
        lambda: f"{len(traced.spans)} other spans",
    )


def test_exemplars_lead_from_a_histogram_to_a_trace(traced: Traced) -> None:
    """In the OpenMetrics page, with ids of spans that the receiver has."""
    url = f"http://{traced.process.client.address}/metrics"
    request = urllib.request.Request(url, headers=OPENMETRICS)
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        page = answer.read().decode()
    exemplars = {(m["trace"], m["span"]) for m in EXEMPLAR.finditer(page)}
    assert exemplars
    assert {m["series"] for m in EXEMPLAR.finditer(page)} == {
        "credit_operation_duration_seconds",
        "credit_statement_duration_seconds",
    }

    def known() -> bool:
        roots = traced.of("credit.operation")
        return exemplars <= {
            (f"{s.meta['_dd.p.tid']}{s.trace_id:016x}", f"{s.span_id:016x}") for s in roots
        }

    await_true("the exemplars' spans", known, lambda: f"{len(traced.spans)} other spans")


def test_without_an_agent_the_service_runs_and_says_nothing_of_it(
    seeded: Database, tmp_path: Path
) -> None:
    """Spans have nowhere to go for several flushes: not a word of it, and operations go on."""
    agent = {
        "DD_TRACE_AGENT_URL": f"http://127.0.0.1:{free_port()}",
        "DD_TRACE_WRITER_INTERVAL_SECONDS": "0.1",
    }
    settings = seeded.settings.model_copy(update={"workload_load": 10.0})
    with running_service("customers", settings, tmp_path, agent) as process:
        total = partial(process.total, "credit_operations_total")
        await_true("a hundred operations", lambda: total() > 100, total)
    assert process.errors.read_text() == ""
    messages = [json.loads(line)["message"] for line in process.output.read_text().splitlines()]
    assert [m.partition(" ")[0] for m in messages] == ["listening", "stopped"]
    assert process.popen.returncode == 0


def test_settings_from_the_file_reach_the_tracer() -> None:
    """ddtrace reads the environment only, so what .env says of DD_* is put there before it is imported."""
    script = (
        "from workload import tracing; from workload.settings import Settings\n"
        "tracing.start(Settings(dd_env='from-file', dd_version='7'), 'credit-test')\n"
        "from ddtrace import config; from ddtrace.propagation import _database_monitoring as dbm\n"
        "print(config.env, config.version, config.service, dbm.dbm_config.propagation_mode)"
    )
    reported = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("DD_")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert reported.stdout.split() == ["from-file", "7", "credit-test", "full"]


def test_tracing_switched_off_leaves_the_driver_alone(seeded: Database, tmp_path: Path) -> None:
    """DD_TRACE_ENABLED=false: no comment before a statement, and no ddtrace in the process."""
    off = {"DD_TRACE_ENABLED": "false"}
    settings = seeded.settings.model_copy(update={"workload_load": 10.0})
    with running_service("customers", settings, tmp_path, off):
        sql = (
            "SELECT count(*) FILTER (WHERE query LIKE %s), count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'credit-customers'"
        )
        counted = partial(ask, seeded, sql, "/*%")
        await_true("statements", lambda: counted()[0][1], counted)
        assert ask(seeded, sql, "/*%")[0][0] == 0
