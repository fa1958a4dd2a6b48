"""The service of a statement's span is that of its operation: APM's trace metrics group by it."""

from pathlib import Path

import pytest

from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_receiver import Receiver
from tests.fix_workload import running_service
from workload.services import SERVICES

SOON_SECONDS = 120
# ddtrace's writer waits by the clock that is.
pytestmark = pytest.mark.real_clock
FIVE = {service.dd_service for service in SERVICES.values()}


def services(receiver: Receiver, name: str) -> set[str]:
    return {span.service for span in receiver.spans() if span.name == name}


def agent(receiver: Receiver, **more: str) -> dict[str, str]:
    where = {"DD_TRACE_AGENT_URL": receiver.url, "DD_TRACE_WRITER_INTERVAL_SECONDS": "0.2"}
    return where | more


def test_five_services_in_one_process_are_five_services_of_statements(
    seeded: Database, receiver: Receiver, tmp_path: Path
) -> None:
    """`python -m workload all`: `trace.postgres.query` by service shows five, and none is `postgres`."""
    settings = seeded.settings.model_copy(update={"workload_load": 10.0})
    with running_service("all", settings, tmp_path, agent(receiver)):

        def missing() -> str | None:
            seen = services(receiver, "postgres.query")
            return None if seen >= FIVE else f"statements of {sorted(seen)}"

        await_state("statements of five services", missing, within_s=SOON_SECONDS)
    assert services(receiver, "postgres.query") == FIVE
    operations = {s.span_id: s.service for s in receiver.spans() if s.name == "credit.operation"}
    statements = [s for s in receiver.spans() if s.parent_id in operations]
    assert statements
    assert all(span.service == operations[span.parent_id] for span in statements)
    # What an Agent counts although the span does not enter a service.
    assert all(s.metrics["_dd.measured"] == 1 for s in statements if s.name == "postgres.query")
    assert {s.meta["peer.service"] for s in statements} == {settings.postgres_db}


def test_the_documented_option_brings_the_name_of_the_database_back(
    seeded: Database, receiver: Receiver, tmp_path: Path
) -> None:
    more = {"DD_TRACE_REMOVE_INTEGRATION_SERVICE_NAMES_ENABLED": "false"}
    settings = seeded.settings.model_copy(update={"workload_load": 10.0})
    with running_service("customers", settings, tmp_path, agent(receiver, **more)):

        def missing() -> str | None:
            seen = services(receiver, "postgres.query")
            return None if seen else "no statement"

        await_state("a statement", missing, within_s=SOON_SECONDS)
    assert services(receiver, "postgres.query") == {"postgres"}
