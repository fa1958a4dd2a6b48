"""The services for tests: a small seed to work on, a service wired in this process, and the real process.

Named after workload/, whose parts it puts together; tests/fix_proxy.py can stand between them and PostgreSQL.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from lab import seed
from lab.clients.database import Role, Row, connect, dsn, rows
from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.environment import of_settings
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database, free_port
from workload.database import Database as Pool
from workload.metrics import Metrics
from workload.operation import Operation, Result, Service
from workload.runner import Runner
from workload.services import SERVICES
from workload.settings import Settings
from workload.shop import shoppers
from workload.telemetry import DatabaseTelemetry
from workload.tracing import NoTracing, Tracing

SEED_SCALE = 0.02
TEMPLATE = "lab_seeded"
START_SECONDS = 120
STOP_SECONDS = 150
# What falls due on a day is chance: so few contracts have nothing to mark or to charge on some dates.
FALLEN_DUE = """
UPDATE installments SET due_date = current_date - days::int,
    status = CASE days WHEN 1 THEN 'open' ELSE 'overdue' END
FROM (
    SELECT min(installment_id) AS next, 1 + 2 * (row_number() OVER () % 2) AS days
    FROM installments JOIN credit_contracts c USING (contract_id)
    WHERE installments.status <> 'paid' GROUP BY c.contract_id, c.signed_at
    HAVING bool_and(installments.status = 'open') ORDER BY c.signed_at LIMIT 6
) due WHERE installment_id = next"""


@pytest.fixture(scope="session")
def seeded_template(cluster: Cluster) -> str:
    """The name of a template database that holds a small seed: 200 customers, 1,000 proposals.

    On every date some installments are open a day after they were due, and some overdue without their fee.
    """
    administer(cluster, f"CREATE DATABASE {TEMPLATE} TEMPLATE lab_template STRATEGY file_copy")
    settings = cluster.settings.model_copy(
        update={"postgres_db": TEMPLATE, "seed_scale": SEED_SCALE}
    )
    seed.ensure(settings)
    with connect(dsn(settings, Role.SUPERUSER), application_name="test") as connection:
        rows(connection, FALLEN_DUE)
    administer(cluster, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
    return TEMPLATE


@pytest.fixture
def seeded(cluster: Cluster, seeded_template: str) -> Iterator[Database]:
    """A database of the test's own, with the small seed; `settings` has free ports for the services."""
    with cloned(cluster, seeded_template) as database:
        yield database


@contextmanager
def cloned(cluster: Cluster, template: str) -> Iterator[Database]:
    """Clone a template for the length of a block."""
    name = f"seeded_{uuid4().hex[:12]}"
    administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    ports = {f"{service}_port": free_port() for service in (*SERVICES, "shop")}
    try:
        yield Database(settings=cluster.settings.model_copy(update={"postgres_db": name, **ports}))
    finally:
        administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True, kw_only=True)
class Wired:
    """One service with its pool, runner and metrics, as its process wires them; no HTTP, no engine."""

    service: Service
    settings: Settings
    registry: CollectorRegistry
    metrics: Metrics
    database: Pool
    runner: Runner
    instance: UUID
    stop: threading.Event

    def operation(self, name: str) -> Operation:
        """Return one of the service's operations by name."""
        return next(o for o in self.service.operations if o.name == name)

    def run(self, name: str) -> Result:
        """Carry one operation out, as a worker thread would."""
        return self.runner.run(self.operation(name))

    def value(self, metric: str, **labels: str) -> float:
        """Return a sample of this service; 0 when there is none yet."""
        labels = {"service": self.service.dd_service, **labels}
        return self.registry.get_sample_value(metric, labels) or 0.0


Wire = Callable[..., Wired]


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Wires services by name: `wire("proposals", settings, workload_threads=1)`."""
    with ExitStack() as stack:

        def one(name: str, settings: Settings, **changes: object) -> Wired:
            wired = wired_service(SERVICES[name], settings.model_copy(update=changes))
            stack.callback(wired.database.close_idle)
            return wired

        yield one


def wired_service(service: Service, settings: Settings, tracing: Tracing | None = None) -> Wired:
    """Put a service together."""
    registry, stop = CollectorRegistry(), threading.Event()
    metrics = Metrics(registry)
    database = Pool(
        settings,
        service=service.dd_service,
        size=settings.workload_pool_size or settings.workload_threads,
        telemetry=DatabaseTelemetry(metrics, service.dd_service, (tracing or NoTracing()).active),
    )
    instance = uuid4()
    runner = Runner(
        service,
        settings=settings,
        instance=instance,
        database=database,
        metrics=metrics,
        tracing=tracing or NoTracing(),
        stop=stop,
    )
    return Wired(
        service=service,
        settings=settings,
        registry=registry,
        metrics=metrics,
        database=database,
        runner=runner,
        instance=instance,
        stop=stop,
    )


def ask(database: Database, sql: str, *parameters: object, role: Role = Role.LAB) -> list[Row]:
    """Return the rows of one query on a test's database."""
    with database.connect(role) as connection:
        return rows(connection, sql, parameters or None)


def one(database: Database, sql: str, *parameters: object) -> object:
    """Return the one value of a query."""
    [[value]] = ask(database, sql, *parameters)
    return value


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running `python -m workload NAME`; its standard output and error go to files."""

    popen: subprocess.Popen[bytes]
    client: ServiceClient
    output: Path
    errors: Path

    def total(self, metric: str) -> float:
        """Return the sum over all samples of a metric."""
        return sum(s.value for s in self.client.samples() if s.name == metric)


def environment_of(settings: LabSettings, **changes: str) -> dict[str, str]:
    """Return an environment that says all settings, so that no .env of the developer's does."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("DD_")}
    return {**plain, **of_settings(settings, Settings.model_fields), **changes}


@contextmanager
def running_service(
    name: str, settings: LabSettings, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run one service, or all in one process, until the block ends; it must end by SIGTERM, in order."""
    output, errors = folder / f"{name}.out", folder / f"{name}.err"
    services = {**SERVICES, "shop": shoppers.SERVICE, "all": SERVICES["proposals"]}
    port = services[name].port(settings)
    client = ServiceClient(name=name, address=f"127.0.0.1:{port}")
    with output.open("wb") as out, errors.open("wb") as err:
        popen = subprocess.Popen(
            [sys.executable, "-m", "workload", name],
            cwd=ROOT,
            env=environment_of(settings, **(environment or {})),
            stdout=out,
            stderr=err,
        )

    def silent() -> str | None:
        assert popen.poll() is None, f"{name} ended:\n{errors.read_text()}"
        try:
            client.health()
        except ServiceUnreachableError as error:
            return str(error)
        return None

    try:
        await_state(f"{name} answers /healthz", silent, within_s=START_SECONDS)
        yield Process(popen=popen, client=client, output=output, errors=errors)
    finally:
        popen.terminate()
        popen.wait(STOP_SECONDS)


def administer(cluster: Cluster, statement: str) -> None:
    """Run a statement as the superuser, outside the tests' databases."""
    with connect(dsn(cluster.settings, Role.SUPERUSER, database="postgres")) as connection:
        rows(connection, statement)
