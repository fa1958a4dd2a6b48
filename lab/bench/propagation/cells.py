"""What is compared: a cell is a driver, a route to PostgreSQL and a propagation mode; jobs of a worker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

PSYCOPG2, PSYCOPG3, ASYNCPG, SQLALCHEMY = "psycopg2", "psycopg 3", "asyncpg", "SQLAlchemy"
DRIVERS = (PSYCOPG2, PSYCOPG3, ASYNCPG, SQLALCHEMY)
DIRECT, PGBOUNCER = "direct", "PgBouncer"
ROUTES = (DIRECT, PGBOUNCER)
DISABLED, SERVICE, FULL = "disabled", "service", "full"
# The first is the reference of the ratios.
MODES = (DISABLED, SERVICE, FULL)
# In the text of each measured statement, by which it is found in the log and in pg_stat_statements.
MARK = "/*bench_propagation*/"
# `{key}` is the driver's own placeholder: a point read, and a join whose planning takes longer than it.
STATEMENTS = (
    f"SELECT full_name, city, monthly_income FROM customers WHERE customer_id = {{key}} {MARK}",
    (
        "SELECT c.full_name, k.contract_id, count(*), sum(i.principal) FROM customers c"
        " JOIN credit_contracts k USING (customer_id) JOIN credit_products p USING (product_id)"
        " JOIN installments i USING (contract_id)"
        f" WHERE c.customer_id = {{key}} GROUP BY c.full_name, k.contract_id {MARK}"
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where to connect; `prepared`: whether the driver may use server-side prepared statements there."""

    host: str
    port: int
    database: str
    user: str
    password: str
    prepared: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One combination; its drivers of one mode share a process for both routes."""

    driver: str
    route: str
    mode: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A turn of a worker: `executions` of the statements, in turn; `spans`: also return the spans."""

    route: str
    executions: int
    spans: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlSpan:
    """A span of a statement: `span_id` has 16 hex digits; `injected`: ddtrace reports it in the text."""

    span_id: str
    injected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The result of a job: seconds of each execution, CPU seconds of the client's process, spans."""

    latencies_s: list[float]
    cpu_s: float
    spans: list[SqlSpan]


def cells(drivers: Sequence[str], routes: Sequence[str]) -> Iterator[Cell]:
    """Yield the cells of a round: those of one driver and route follow each other."""
    for driver, route, mode in product(drivers, routes, MODES):
        yield Cell(driver=driver, route=route, mode=mode)
