"""The proof of a missing index: its statement must cost more, else no observer could show the fault."""

from dataclasses import replace

from lab.clients.database import Role, rows
from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.exam.items import Fault
from lab.exam.mechanisms import MECHANISMS
from tests.fix_postgres import Database
from tests.fix_workload import Wire

FAULT = Fault(
    kind="missing-index", victim="credit_proposals_customer", culprits=("credit-customers",)
)
TIMES = 20
# The rest of the table is another customer's, so that to scan it costs more than the index.
MORE = """
INSERT INTO credit_proposals (customer_id, product_id, amount, installments, channel)
SELECT (SELECT max(customer_id) FROM customers), product_id, amount, installments, channel
FROM credit_proposals, generate_series(1, 20)"""
# Each customer has more rows to be read, as those have whom chance chooses.
RICHER = """
INSERT INTO credit_proposals (customer_id, product_id, amount, installments, channel)
SELECT customer_id, 1, 100, 6, 'app' FROM customers, generate_series(1, 12)"""


def proven(seeded: Database, wire: Wire, *, meanwhile: str = "SELECT 1") -> Proof:
    """Inject the fault between two rounds of the operation whose statement uses the index."""
    with seeded.connect(Role.OWNER) as connection:
        rows(connection, MORE)
        rows(connection, "ANALYZE credit_proposals")
    scene = replace(Scene.read_only(seeded.settings), memo={})
    customers = wire("customers", seeded.settings)
    mechanism = MECHANISMS[FAULT.kind]
    for _ in range(TIMES):
        customers.run("lookup")
    mechanism.inject(scene, FAULT)
    assert not mechanism.prove(scene, FAULT).holds, "proven before the statement ran without it"
    with seeded.connect(Role.OWNER) as connection:
        rows(connection, meanwhile)
    for _ in range(TIMES):
        customers.run("lookup")
    return mechanism.prove(scene, FAULT)


def test_a_statement_that_reads_more_blocks_proves_it(seeded: Database, wire: Wire) -> None:
    proof = proven(seeded, wire)
    assert proof.holds, proof.says


def test_an_index_that_another_one_replaces_is_no_fault(seeded: Database, wire: Wire) -> None:
    """No observer could show it, so an exam about it would be unfair."""
    with seeded.connect(Role.OWNER) as connection:
        rows(connection, "CREATE INDEX twin ON credit_proposals (customer_id, submitted_at DESC)")
    proof = proven(seeded, wire)
    assert not proof.holds, proof.says
    assert "is missing" in proof.says


def test_customers_with_more_rows_are_no_effect_of_the_index(seeded: Database, wire: Wire) -> None:
    """Twenty calls are few: whether they find customers with many proposals is chance."""
    with seeded.connect(Role.OWNER) as connection:
        rows(connection, "CREATE INDEX twin ON credit_proposals (customer_id, submitted_at DESC)")
    proof = proven(seeded, wire, meanwhile=RICHER)
    assert not proof.holds, proof.says
    assert "20 times without it" in proof.says
