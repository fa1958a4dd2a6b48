"""Every statement of workload/sql, run by its own operations on the real schema, is what its header says."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import psycopg2.extensions
import pytest

from lab.clients.database import Role, rows
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database
from tests.fix_workload import ask, cloned, wired_service
from workload.database import Row, Session
from workload.services import SERVICES
from workload.shop import shoppers
from workload.shop.carts import Carts
from workload.shop.telemetry import PAYMENTS
from workload.statements import STATEMENTS, Statement

# `mark_overdue` and its like find what is due by the day of the database.
pytestmark = pytest.mark.meets_clock
ROUNDS = 5
COUNTED = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del
FROM pg_stat_xact_user_tables WHERE schemaname IN ('public', 'shop')
"""
ACTIONS = ("insert", "update", "delete")
COMMENT = re.compile(r"/\*service='(?P<service>[a-z-]+)',statement='(?P<statement>[a-z_]+)'\*/$")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution: the text as the server saw it, rows reported to Telemetry, rows the server counted."""

    name: str
    text: str
    reported: Counter[tuple[str, str]]
    counted: Counter[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Recording:
    database: Database
    executions: list[Execution]


class Ledger:
    """Telemetry that keeps the reported writes."""

    def __init__(self) -> None:
        self.reported: Counter[tuple[str, str]] = Counter()

    def waited(self, seconds: float) -> None: ...
    def timed_out(self) -> None: ...

    def executed(self, statement: Statement, seconds: float, rows: int) -> None: ...

    def wrote(self, table: str, action: str, rows: int) -> None:
        self.reported[table, action] += rows

    def failed(self, sqlstate: str) -> None: ...


class Witness:
    """Runs each statement in a transaction of the server's, so that its own count of rows can be read."""

    def __init__(self, original: Callable[..., tuple[list[Row], int]]) -> None:
        self._original = original
        self.executions: list[Execution] = []

    def execute(
        self, session: Session, statement: Statement, parameters: Mapping[str, object]
    ) -> tuple[list[Row], int]:
        connection = session._cursor.connection
        ledger = session._telemetry = Ledger()
        with connection.cursor() as cursor:
            if connection.autocommit:
                cursor.execute("BEGIN")
            before = counted(cursor)
            outcome = self._original(session, statement, parameters)
            after = counted(cursor)
            if connection.autocommit:
                cursor.execute("COMMIT")
            text = cursor.mogrify(statement.sql, parameters).decode()
        self.executions.append(
            Execution(
                name=statement.name, text=text, reported=+ledger.reported, counted=after - before
            )
        )
        return outcome


def counted(cursor: psycopg2.extensions.cursor) -> Counter[tuple[str, str]]:
    cursor.execute(COUNTED)
    return Counter(
        {
            (table, action): number
            for table, *numbers in cursor.fetchall()
            for action, number in zip(ACTIONS, numbers, strict=True)
        }
    )


@pytest.fixture(scope="module")
def recording(cluster: Cluster, seeded_template: str) -> Iterator[Recording]:
    """All operations of all services, a few times; the second time around everything is old enough to go."""
    witness = Witness(Session._execute)

    def watched(
        session: Session, statement: Statement, parameters: Mapping[str, object]
    ) -> tuple[list[Row], int]:
        return witness.execute(session, statement, parameters)

    with cloned(cluster, seeded_template) as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_execute", watched)
        for service in SERVICES.values():
            for hours in (1000.0, 1e-9):
                settings = database.settings.model_copy(
                    update={
                        "workload_threads": 1,
                        "workload_random_seed": 15,
                        "workload_retention_hours": hours,
                    }
                )
                wired = wired_service(service, settings)
                for _ in range(ROUNDS):
                    for operation in service.operations:
                        wired.run(operation.name)
                with wired.database.autocommit() as session:
                    session.row("find_operation", operation_id=uuid4())
                wired.database.close_idle()
        go_shopping(database)
        yield Recording(database=database, executions=witness.executions)


def go_shopping(database: Database) -> None:
    """Do what a visitor of the shop can do, by credit and by Pix, and let the orders grow old."""
    wired = wired_service(shoppers.SERVICE, database.settings)
    carts, visitor = Carts(wired.database, instance=wired.instance), uuid4()
    with wired.database.autocommit() as session:
        [_, cpf] = session.row("sample_customers", first=1, last=1, step=1) or ()
    product = carts.product(carts.catalogue()[0].product_id)
    assert product
    for payment in PAYMENTS:
        for _ in range(3):
            carts.add(visitor, product.product_id, 3)
        first, second, _ = carts.items(visitor)
        carts.change(visitor, first.item_id, 9)
        carts.remove(visitor, second.item_id)
        carts.check_out(visitor, payment=payment, cpf=cpf)
    assert len(carts.orders(visitor)) == 2
    assert carts.tidy(hours=1e-9) == 2
    wired.database.close_idle()


def test_every_statement_belongs_to_an_operation(recording: Recording) -> None:
    """No statement is left over: the operations of the services, or the shop's pages, execute each."""
    assert {execution.name for execution in recording.executions} == set(STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_writes_what_its_header_declares(recording: Recording, name: str) -> None:
    """Rows reported to Telemetry = rows that PostgreSQL counted, at each execution, and not always none."""
    executions = [execution for execution in recording.executions if execution.name == name]
    assert [execution.reported for execution in executions] == [e.counted for e in executions]
    declared = {
        (write.table, action)
        for write in STATEMENTS[name].writes
        for action in (("insert", "update") if write.action == "upsert" else (write.action,))
    }
    assert {key for execution in executions for key in execution.reported} == declared


@pytest.mark.parametrize("name", STATEMENTS)
def test_datadog_can_explain_a_statement(recording: Recording, name: str) -> None:
    """The Agent's function returns a plan for the text as it is seen in pg_stat_activity."""
    text = next(execution.text for execution in recording.executions if execution.name == name)
    with recording.database.connect(Role.DATADOG) as connection:
        [[plan]] = rows(connection, "SELECT datadog.explain_statement(%s)", [text])
    assert plan[0]["Plan"]["Node Type"]


def test_each_statement_has_a_queryid_that_leads_back_to_it(recording: Recording) -> None:
    """In pg_stat_statements one name has one queryid, and its text says name and service."""
    known = ask(
        recording.database,
        "SELECT queryid, query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
        " JOIN pg_roles r ON r.oid = s.userid"
        " WHERE d.datname = current_database() AND r.rolname = 'credit_app'",
    )
    queryids: defaultdict[str, set[int]] = defaultdict(set)
    for queryid, query in known:
        if comment := COMMENT.search(query):
            queryids[comment["statement"]].add(queryid)
            assert comment["service"] == STATEMENTS[comment["statement"]].service
    assert {name: len(ids) for name, ids in queryids.items()} == dict.fromkeys(STATEMENTS, 1)
