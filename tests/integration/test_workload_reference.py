"""What the services remember of the database between operations, and when they look again."""

import random

import pytest

from lab.clients.database import Role
from tests.fix_postgres import Database
from tests.fix_workload import Wire, ask
from workload import reference
from workload.reference import Reference


@pytest.fixture
def remembered(seeded: Database, wire: Wire) -> Reference:
    return Reference(wire("proposals", seeded.settings).database, random.Random(15))


def test_it_knows_catalogue_ranges_and_some_customers(
    seeded: Database, remembered: Reference
) -> None:
    snapshot = remembered.get()
    [(products, first, last)] = ask(
        seeded,
        "SELECT (SELECT count(*) FROM credit_products), min(customer_id), max(customer_id) FROM customers",
    )
    assert len(snapshot.products) == products
    assert snapshot.customer_ids == (first, last)
    assert (
        dict(snapshot.customers).items()
        <= dict(ask(seeded, "SELECT customer_id, cpf FROM customers")).items()
    )


def test_the_customers_it_knows_are_of_every_age(
    seeded: Database, remembered: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours would be alike: the older a customer, the more proposals. So one is in each step."""
    monkeypatch.setattr(reference, "SAMPLE_SIZE", 9)
    [(number,)] = ask(seeded, "SELECT count(*) FROM customers")
    step = -(-number // 9)
    known = [customer_id for customer_id, _ in remembered.get().customers]
    assert [(customer_id - 1) // step for customer_id in known] == list(range(len(known)))
    assert len(known) in {8, 9}


def test_it_is_read_again_when_old_and_not_before(
    seeded: Database, remembered: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new customer is seen once the data are too old, and not while they are young."""
    before = remembered.get().customer_ids
    ask(
        seeded,
        "INSERT INTO customers (customer_id, cpf, full_name, email, phone, birth_date, city, state,"
        " monthly_income) SELECT 999999, '52998224725', 'n', 'e', 'p', '1990-01-01', 'c', 'SP', 1",
        role=Role.SUPERUSER,
    )
    assert remembered.get().customer_ids == before
    monkeypatch.setattr(reference, "MAX_AGE_S", -1.0)
    assert remembered.get().customer_ids == (before[0], 999999)


def test_while_one_thread_reads_the_others_use_what_there_is(
    remembered: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = remembered.get()
    monkeypatch.setattr(reference, "MAX_AGE_S", -1.0)
    with remembered._lock:  # as held by the thread that reads
        assert remembered.get() is known
