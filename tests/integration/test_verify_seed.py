"""`verify` on a database without a whole seed: empty tables add up, and are no lab all the same."""

import pytest

from lab.clients.database import Role, rows
from lab.verify.invariants import check
from tests.fix_postgres import Database


def found(database: Database) -> tuple[bool | None, str]:
    """Return whether the check of the seed holds, and what it counted."""
    [seed] = [each for each in check(database.settings) if each.name == "seed"]
    return seed.ok, seed.actual


def test_a_database_that_was_never_seeded_fails(database: Database) -> None:
    assert found(database) == (False, "1")


def test_a_whole_seed_holds(seeded: Database) -> None:
    assert found(seeded) == (True, "0")


@pytest.mark.parametrize(
    ("damage", "missing"),
    [
        ("TRUNCATE customers CASCADE", None),
        ("TRUNCATE credit_contracts CASCADE", None),
        ("TRUNCATE credit_products CASCADE", None),
        ("DELETE FROM seed_manifest", "1"),
    ],
)
def test_a_seed_of_which_a_part_is_missing_fails(
    seeded: Database, damage: str, missing: str | None
) -> None:
    with seeded.connect(Role.SUPERUSER) as superuser:
        rows(superuser, damage)
    ok, actual = found(seeded)
    assert ok is False
    assert int(actual) > 0
    assert missing in (None, actual)
