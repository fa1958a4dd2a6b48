"""The whole path to a panel: PostgreSQL and a service's metrics, exporter, Prometheus, rules, PromQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from prometheus_client import start_http_server

from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_postgres import Database, free_port
from tests.fix_prometheus import (
    Prometheus,
    exporter_command,
    exporter_settings,
    running_exporter,
    running_prometheus,
)
from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.process import new_registry
from workload.statements import STATEMENTS

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
# Two scrapes for a rate, and the 8 s that the exporter keeps statements for.
DATA_SECONDS = 120

# The join of docs/prometheus.md.
JOIN = """
sum by (queryid) (rate(pg_stat_statements_calls_total{user="credit_app"}[1m]))
  * on (queryid) group_left (service, statement) credit_statement_info
"""


DIFFERENCE = (
    "table_action:pg_rows_written:rate1m"
    " - on (table, action) group_left () table_action:credit_rows_attempted:rate1m"
)
ROWS = {"table": "audit_log", "action": "insert"}


class Service:
    """What credit-proposals does and counts, row by row; the metrics are those of the workload."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.registry = new_registry()
        self.metrics = Metrics(self.registry)
        self.rows_written = 0

    def insert_audit_rows(self, number: int) -> None:
        label = {"service": "credit-proposals", "operation": "submit"}
        for _ in range(number):
            with self._database.connect(Role.APP) as connection:
                rows(
                    connection,
                    STATEMENTS["insert_audit"].sql,
                    {
                        "operation_id": str(uuid4()),
                        "instance": str(uuid4()),
                        "service": "credit-proposals",
                        "operation": "submit",
                        "entity": "proposal",
                        "entity_id": 1,
                        "detail": "{}",
                    },
                )
                rows(connection, STATEMENTS["customer_range"].sql)
            self.metrics.counter(
                "credit_rows_attempted",
                service="credit-proposals",
                table="audit_log",
                action="insert",
            ).inc()
            self.rows_written += 1
            self.metrics.counter("credit_operations", **label, outcome="ok").inc()
            for histogram, labels in (
                ("credit_operation_duration_seconds", label),
                ("credit_start_delay_seconds", {"service": "credit-proposals"}),
            ):
                self.metrics.histogram(histogram, **labels).observe(
                    0.003, SpanIds(trace_id=int(TRACE_ID, 16), span_id=1)
                )


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def prometheus(service: Service, database: Database, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus as in native mode, after the service has written and counted some rows."""
    settings = exporter_settings(database, tmp_path).model_copy(
        update={"proposals_port": free_port()}
    )
    server, thread = start_http_server(
        settings.proposals_port, addr="127.0.0.1", registry=service.registry
    )
    service.insert_audit_rows(5)
    try:
        with (
            running_exporter(settings, exporter_command(settings)),
            running_prometheus(settings, "proposals") as prometheus,
        ):
            yield prometheus
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_rule_gives_data_and_the_canonical_joins_hold(
    service: Service, prometheus: Prometheus
) -> None:
    """From a row written by a service to every recorded series, with live names throughout."""
    wanted = {
        rule["record"]
        for file in (ROOT / "prometheus" / "rules").glob("*.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }

    def without_data() -> str | None:
        service.insert_audit_rows(1)
        missing = sorted(name for name in wanted if not prometheus.query(f"{{__name__='{name}'}}"))
        return f"no data for {missing}" if missing else None

    await_state("every recording rule has data", without_data, within_s=DATA_SECONDS)

    groups = prometheus.api("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}

    def unjoined() -> str | None:
        """A scrape that fails on a busy machine leaves an instant query without a series for a second."""
        service.insert_audit_rows(1)
        named = {
            (labels["service"], labels["statement"])
            for labels, rate in prometheus.query(JOIN)
            if rate > 0
        }
        rates = prometheus.query("statement:pg_stat_statements_calls:rate1m{user='credit_app'}")
        recorded = {labels["statement"] for labels, _ in rates}
        difference = [
            {label: labels[label] for label in ROWS} for labels, _ in prometheus.query(DIFFERENCE)
        ]
        joined = named >= {("shared", "insert_audit"), ("shared", "customer_range")}
        complete = (
            joined and recorded >= {"insert_audit", "customer_range"} and difference == [ROWS]
        )
        return None if complete else f"{named}, {recorded}, {difference}"

    await_state("the joins have data", unjoined, within_s=DATA_SECONDS)

    # The lab's central claim, on raw counters: once the writing has stopped, both sides are equal.
    database_rows = 'sum(pg_stat_user_tables_n_tup_ins{relname="audit_log"})'
    application_rows = 'sum(credit_rows_attempted_total{table="audit_log",action="insert"})'

    def unequal() -> str | None:
        counts = [
            value
            for expression in (database_rows, application_rows)
            for _, value in prometheus.query(expression)
        ]
        written = service.rows_written
        return None if counts == [written, written] else f"{counts}, not {written}"

    await_state("both counters have arrived at the rows written", unequal, within_s=DATA_SECONDS)


def test_labels_name_database_and_service_once_and_exemplars_the_trace(
    prometheus: Prometheus, database: Database
) -> None:
    """`service` is the metric's own, `instance` the database's address.

    The trace id of an observation comes back as an exemplar of its series.
    """

    def found(expression: str, count: int = 1) -> list[dict[str, str]]:
        """Return the labels of the series, once there are so many."""
        seen: list[dict[str, str]] = []

        def fewer() -> str | None:
            seen[:] = [labels for labels, _ in prometheus.query(expression)]
            return None if len(seen) >= count else str(seen)

        await_state(f"{expression} has {count} series", fewer, within_s=DATA_SECONDS)
        return seen

    address = f"{database.host}:{database.port}"
    by_job = {labels["job"]: labels for labels in found("up == 1", 3)}
    assert by_job["postgres"]["instance"] == address
    assert by_job["credit"]["service"] == "credit-proposals"
    for metric in ("pg_stat_activity_count", "pg_stat_user_tables_n_tup_ins"):
        labels = found(metric)[0]
        assert labels["instance"] == address
        assert "server" not in labels
    labels = found("credit_operations_total")[0]
    assert labels["service"] == "credit-proposals"
    assert "exported_service" not in labels
    [labels] = found("process_resident_memory_bytes{job='credit'}")
    assert labels["service"] == "credit-proposals"

    [series] = prometheus.api(
        "query_exemplars",
        query="credit_operation_duration_seconds_bucket",
        start="0",
        end="9999999999",
    )
    assert [exemplar["labels"] for exemplar in series["exemplars"]] == [
        {"trace_id": TRACE_ID, "span_id": f"{1:016x}"}
    ]
