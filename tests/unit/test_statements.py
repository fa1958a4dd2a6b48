"""How a .sql file becomes statements, and what the loader refuses."""

from pathlib import Path

import pytest

from workload.errors import StatementError
from workload.services import SERVICES
from workload.shop.carts import SERVICE as SHOP
from workload.statements import STATEMENTS, Write, load, parse

TWO = """-- Anything may stand before the first name.

-- name: first
-- Read one thing.
SELECT 1;

-- name: second
-- Write two things.
-- writes: audit_log insert, audit_summary upsert
WITH x AS (SELECT 1)
-- a comment of SQL's own
SELECT 2
"""


def test_a_statement_has_name_purpose_and_declared_writes() -> None:
    first, second = parse(TWO, service="credit-test")
    assert (first.name, first.purpose, first.writes) == ("first", "Read one thing.", ())
    assert (second.name, second.purpose) == ("second", "Write two things.")
    assert second.writes == (
        Write(table="audit_log", action="insert"),
        Write(table="audit_summary", action="upsert"),
    )


def test_a_statement_ends_with_a_comment_that_names_it_and_its_service() -> None:
    """No semicolon stays before the comment: psycopg2 would send two statements."""
    first, second = parse(TWO, service="credit-test")
    assert first.sql == "SELECT 1 /*service='credit-test',statement='first'*/"
    assert second.sql.endswith("SELECT 2 /*service='credit-test',statement='second'*/")


@pytest.mark.parametrize(
    "text",
    [
        "-- name: no_purpose\nSELECT 1\n",
        "-- name: Capital\n-- Purpose.\nSELECT 1\n",
        "-- name: no_body\n-- Purpose.\n",
        "-- name: first\n-- Purpose.\n-- name: second\n-- Purpose.\nSELECT 1\n",
        "-- name: bad_write\n-- Purpose.\n-- writes: audit_log truncate\nSELECT 1\n",
        "-- name: no_action\n-- Purpose.\n-- writes: audit_log\nSELECT 1\n",
    ],
)
def test_a_malformed_file_is_refused(text: str) -> None:
    with pytest.raises(StatementError):
        list(parse(text, service="credit-test"))


def test_a_name_may_be_used_once_in_all_files(tmp_path: Path) -> None:
    for file in ("proposals.sql", "risk.sql"):
        (tmp_path / file).write_text("-- name: same\n-- Purpose.\nSELECT 1\n")
    with pytest.raises(StatementError, match=r"risk\.sql.*'same'"):
        load(tmp_path)


def test_each_file_belongs_to_a_service_or_to_several() -> None:
    services = {SHOP, *(service.dd_service for service in SERVICES.values())}
    assert {statement.service for statement in STATEMENTS.values()} == services | {"shared"}
