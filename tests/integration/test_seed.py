"""The seed in a real database: whole, exact and repeatable, or not there at all."""

import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from lab.bench import seed as bench_seed
from lab.clients.database import Connection, Role, connect, dsn
from lab.clients.database import rows as query
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.seed import Progress, SeedConflictError, SeedReport, Step, UnseededDataError, ensure
from lab.seed.batches import COLUMNS
from lab.seed.load import _beside
from tests.fix_postgres import Database

REFERENCE = date(2025, 11, 1)

# What must never be: each query counts what breaks the rule that it is named after.
BROKEN = {
    "open_amount is what is unpaid": """
        SELECT count(*) FROM credit_contracts c WHERE open_amount <> (
            SELECT coalesce(sum(principal + interest + fee), 0) FROM installments i
            WHERE i.contract_id = c.contract_id AND status <> 'paid')""",
    "principals add up to the loan": """
        SELECT count(*) FROM credit_contracts c WHERE principal <> (
            SELECT sum(principal) FROM installments i WHERE i.contract_id = c.contract_id)""",
    "installments are all there": """
        SELECT count(*) FROM credit_contracts c WHERE installments <> (
            SELECT max(number) FROM installments i WHERE i.contract_id = c.contract_id
            HAVING count(*) = max(number))""",
    "one disbursement of the principal": """
        SELECT count(*) FROM credit_contracts c WHERE ARRAY[principal] <> ARRAY(
            SELECT amount FROM credit_transactions t
            WHERE t.contract_id = c.contract_id AND kind = 'disbursement'
              AND t.created_at = c.signed_at)""",
    "one payment for each paid installment": """
        SELECT count(*) FROM installments i
        FULL JOIN (SELECT * FROM credit_transactions WHERE kind = 'payment') t USING (installment_id)
        WHERE (i.status = 'paid') IS DISTINCT FROM
              ((t.amount = principal + interest + fee AND t.contract_id = i.contract_id
                AND t.created_at = i.paid_at) IS TRUE)""",
    "settled when the last was paid": """
        SELECT count(*) FROM credit_contracts c WHERE settled_at IS DISTINCT FROM (
            SELECT max(paid_at) FROM installments i WHERE i.contract_id = c.contract_id
            HAVING bool_and(status = 'paid'))""",
    "paid in order": """
        SELECT count(*) FROM installments a JOIN installments b
            ON b.contract_id = a.contract_id AND b.number = a.number + 1
        WHERE b.status = 'paid' AND (a.status <> 'paid' OR b.paid_at < a.paid_at)""",
    "overdue only after the due date": """
        SELECT count(*) FROM installments
        WHERE (status = 'overdue' OR status <> 'paid' AND fee > 0) AND due_date >= '2025-11-01'""",
    "decided with an analysis that says so": """
        SELECT count(*) FROM credit_proposals p LEFT JOIN credit_analysis a USING (proposal_id)
        WHERE p.status <> coalesce(a.decision, 'pending') OR decided_at IS DISTINCT FROM analysed_at""",
    "a contract for each approval, as proposed": """
        SELECT count(*) FROM credit_proposals p FULL JOIN credit_contracts c USING (proposal_id)
        WHERE (p.status = 'approved') IS DISTINCT FROM
              ((c.principal = p.amount AND c.customer_id = p.customer_id
                AND c.product_id = p.product_id AND c.installments = p.installments
                AND c.signed_at = p.decided_at) IS TRUE)""",
    "within the limits of the product": """
        SELECT count(*) FROM credit_proposals p JOIN credit_products o USING (product_id)
        WHERE amount NOT BETWEEN min_amount AND max_amount
           OR installments NOT BETWEEN min_installments AND max_installments""",
    "an audit row for each proposal of the last 30 days": """
        SELECT count(*) FROM credit_proposals p
        FULL JOIN audit_log a ON a.entity_id = p.proposal_id AND a.at = p.submitted_at
        WHERE (p.submitted_at > timestamptz '2025-11-01 00:00+00' - interval '30 days')
              IS DISTINCT FROM
              ((a.operation = 'submit' AND a.service = 'credit-proposals'
                AND a.instance = '00000000-0000-0000-0000-000000000000') IS TRUE)""",
}
# Every key and index as the catalog has it.
SHAPE = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
ORDER BY 1, 2, 3
"""


def seed(
    database: Database, scale: float = 0.01, progress: Callable[[Progress], None] | None = None
) -> SeedReport:
    settings = database.settings.model_copy(update={"seed_scale": scale})
    return ensure(settings, reference=REFERENCE, progress=progress)


def counts(connection: Connection) -> dict[str, int]:
    return {
        table: query(connection, f"SELECT count(*) FROM {table}")[0][0]
        for table in (*COLUMNS, "seed_manifest")
    }


def test_every_rule_holds_to_the_cent(database: Database) -> None:
    """No row breaks a rule of money or of order, and keys and indexes are those of the schema."""
    with database.connect(Role.OWNER) as connection:
        shape = query(connection, SHAPE)
        report = seed(database, scale=0.02)
        broken = {rule: n for rule, sql in BROKEN.items() for [n] in query(connection, sql) if n}
        assert broken == {}
        assert query(connection, SHAPE) == shape
        assert report.loaded
        assert report.rows == sum(counts(connection).values()) - 1
        assert report.rows_per_second > 0


def test_the_rules_can_be_broken(database: Database) -> None:
    """The queries above do notice: a cent too much on one contract, one payment less."""
    seed(database)
    with database.connect(Role.OWNER) as connection:
        query(
            connection,
            "UPDATE credit_contracts SET open_amount = open_amount + 0.01 WHERE status = 'active'"
            " AND contract_id = (SELECT min(contract_id) FROM credit_contracts WHERE status = 'active')",
        )
        query(
            connection,
            "DELETE FROM credit_transactions WHERE transaction_id ="
            " (SELECT min(transaction_id) FROM credit_transactions WHERE kind = 'payment')",
        )
        found = {rule: n for rule, sql in BROKEN.items() for [n] in query(connection, sql) if n}
    assert found == {
        "open_amount is what is unpaid": 1,
        "one payment for each paid installment": 1,
    }


def test_new_rows_follow_the_seeded_ones(database: Database) -> None:
    """The running lab's first ids are those after the seed, whose last ones the manifest records."""
    seed(database)
    with database.connect(Role.OWNER) as connection:
        highest = counts(connection)
        [manifest] = query(
            connection,
            "SELECT max_customer_id, max_proposal_id, max_contract_id FROM seed_manifest",
        )
        following = {
            table: query(
                connection,
                "SELECT nextval(pg_get_serial_sequence(%s, %s))",
                [table, columns.partition(",")[0]],
            )[0][0]
            for table, columns in COLUMNS.items()
            if table != "credit_products"
        }
    assert following == {table: highest[table] + 1 for table in following}
    assert manifest == tuple(
        highest[table] for table in ("customers", "credit_proposals", "credit_contracts")
    )


def test_rows_are_ready_for_queries(database: Database) -> None:
    """Statistics are there, and every page is all-visible: the seed leaves no work to autovacuum."""
    seed(database)
    with database.connect(Role.OWNER) as connection:
        pages = query(
            connection,
            "SELECT relname, reltuples > 0, relallvisible = relpages FROM pg_class"
            " WHERE oid = ANY (%s::regclass[]) ORDER BY 1",
            [list(COLUMNS)],
        )
    assert pages == [(table, True, True) for table in sorted(COLUMNS)]


def test_a_second_call_changes_nothing(database: Database) -> None:
    """Where the seed is, nothing is loaded, and the report says so."""
    seed(database)
    with database.connect(Role.OWNER) as connection:
        before = counts(connection)
        again = seed(database)
        assert counts(connection) == before
    assert (again.loaded, again.rows, again.rows_per_second) == (False, 0, 0)


def test_the_past_ends_today_unless_told_otherwise(database: Database) -> None:
    """By default the last proposals are those of yesterday."""
    ensure(database.settings.model_copy(update={"seed_scale": 0.05}))
    with database.connect(Role.OWNER) as connection:
        [[last]] = query(connection, "SELECT max(submitted_at) FROM credit_proposals")
    age = datetime.now(UTC) - last
    assert 0 < age.total_seconds() < 2 * 86_400


@pytest.mark.parametrize("change", [{"seed_scale": 0.02}, {"seed_random_seed": 16}])
def test_another_seed_is_refused(database: Database, change: dict[str, object]) -> None:
    """A database that is seeded otherwise stays as it is; the error names both ways out."""
    seed(database)
    other = database.settings.model_copy(update={"seed_scale": 0.01, **change})
    with pytest.raises(
        SeedConflictError, match=r"SEED_SCALE=0\.01 (?s:.)*\./creditlab down --wipe"
    ):
        ensure(other, reference=REFERENCE)


def test_rows_of_somebody_elses_are_not_touched(database: Database) -> None:
    """Rows without a manifest are reported by table, and kept."""
    with database.connect(Role.OWNER) as connection:
        query(
            connection,
            "INSERT INTO customers (cpf, full_name, email, phone, birth_date, city, state,"
            " monthly_income) VALUES ('52998224725', 'A', 'a', 'b', '1990-01-01', 'c', 'SP', 1)",
        )
        with pytest.raises(UnseededDataError, match=r"customers (?s:.)*down --wipe"):
            seed(database)
        assert counts(connection)["customers"] == 1


@pytest.mark.parametrize("step", [Step.ROWS, Step.INDEXES])
def test_an_interrupted_seed_leaves_nothing(database: Database, step: Step) -> None:
    """After Ctrl-C every table is empty, every key is back, and the next call seeds all."""

    def interrupt(progress: Progress) -> None:
        if progress.step is step and progress.done > 0:
            signal.raise_signal(signal.SIGINT)

    with database.connect(Role.OWNER) as connection:
        shape = query(connection, SHAPE)
        with pytest.raises(KeyboardInterrupt):
            seed(database, progress=interrupt)
        assert not any(counts(connection).values())
        assert query(connection, SHAPE) == shape
    assert seed(database).loaded


def test_ctrl_c_ends_the_running_statement(database: Database) -> None:
    """A long statement is cancelled on the server instead of being waited for."""
    text = "SELECT pg_sleep(280)"
    ended: list[Future[object]] = []

    def interrupt_while_it_runs(connection: Connection) -> None:
        with _beside(connection) as server:
            ended.append(server.submit(query, connection, text))
            await_statement(database, text)
            signal.raise_signal(signal.SIGINT)

    with database.connect(Role.OWNER) as connection:
        with pytest.raises(KeyboardInterrupt):
            interrupt_while_it_runs(connection)
        assert query(connection, "SELECT 1") == [(1,)], "only the statement was ended"
    error = ended[0].exception()
    assert isinstance(error, DatabaseError)
    assert error.sqlstate == "57014", "query_canceled"


def await_statement(database: Database, text: str) -> None:
    with database.connect(Role.SUPERUSER) as observer:

        def absent() -> str | None:
            active = "SELECT query FROM pg_stat_activity WHERE state = 'active'"
            seen = query(observer, active)
            return None if (text,) in seen else str(seen)

        await_state(f"{text} is in pg_stat_activity", absent, within_s=150)


def test_a_failing_load_leaves_nothing(database: Database) -> None:
    """When PostgreSQL refuses rows, its error is reported and nothing is kept."""
    with database.connect(Role.OWNER) as connection:
        query(connection, "ALTER TABLE installments ADD CHECK (number < 3)")
        with pytest.raises(DatabaseError, match="violates check constraint"):
            seed(database)
        assert not any(counts(connection).values())


def test_two_at_once_seed_once(database: Database) -> None:
    """The second of two waits for the first, and then finds everything there."""
    with ThreadPoolExecutor(2) as both:
        reports = list(both.map(seed, [database, database]))
    assert sorted(report.loaded for report in reports) == [False, True]


def test_progress_tells_every_step(database: Database) -> None:
    """Each step is reported from its beginning to its end, in order."""
    seen: list[Progress] = []
    report = seed(database, progress=seen.append)
    assert list(dict.fromkeys(p.step for p in seen)) == list(Step)
    last = {p.step: p for p in seen}
    assert last[Step.ROWS].done == last[Step.ROWS].total == report.rows
    assert all(p.done == p.total for p in last.values())


def test_the_benchmark_compares_and_leaves_no_database(database: Database) -> None:
    """`bench seed` gives both throughputs and their ratio, and drops what it made."""
    document = bench_seed.measure(database.settings, scale=0.01).to_json()
    assert document["seed_rows"] > 5_000
    assert document["pgbench_rows"] == 100_011
    assert document["ratio"] == pytest.approx(
        document["seed_rows_per_second"] / document["pgbench_rows_per_second"]
    )
    with connect(dsn(database.settings, Role.SUPERUSER)) as connection:
        known = "SELECT FROM pg_database WHERE datname = %s"
        assert not query(connection, known, [bench_seed.DATABASE])


def test_scales_are_compared_as_numbers(database: Database) -> None:
    """A scale that is written another way is the same scale."""
    seed(database, scale=0.01)
    with database.connect(Role.OWNER) as connection:
        query(connection, "UPDATE seed_manifest SET scale = %s", [Decimal("0.0100")])
    assert not seed(database, scale=0.01).loaded
