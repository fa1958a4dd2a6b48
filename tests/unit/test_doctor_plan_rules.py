"""The doctor's rules about estimated plans, the order of fixes, what is required, and the report's result."""

from dataclasses import replace

import pytest

from lab.doctor import Report, Status
from lab.doctor.check import Fix, Need
from lab.doctor.facts import Extension, Facts, Observer
from lab.doctor.rules import judge
from tests.unit.test_doctor_rules import ATTEMPT, CREATED, EXPLAIN, GOOD, LIMITED, OBSERVER, find

ABSENT = Observer(name="datadog", sql='"dog"', exists=False, settings=LIMITED)
MAKE = "CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text, OUT explain json)"
OF_FUNCTION = "ON FUNCTION datadog.explain_statement(text)"
MAY_PLAN = (
    "GRANT USAGE ON SCHEMA public TO datadog_explain",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO datadog_explain",
)


def firsts(fix: Fix | None) -> list[str]:
    """The first line of each statement of a fix."""
    assert fix
    return [statement.partition("\n")[0] for statement in fix.statements]


def test_the_function_is_made_with_its_owner_and_given_away_last() -> None:
    """The owner may plan before it owns; nobody but the Agent's role may call it."""
    bare = replace(GOOD, explain=None, attempt=None, planner=False)
    check = find(bare, "explain_function")
    assert check.status is Status.MISSING
    assert check.found == "this database has no datadog.explain_statement(text)"
    assert firsts(check.fix) == [
        "CREATE SCHEMA IF NOT EXISTS datadog",
        "CREATE ROLE datadog_explain NOLOGIN",
        *MAY_PLAN,
        "DROP FUNCTION IF EXISTS datadog.explain_statement(text)",
        MAKE,
        f"REVOKE ALL {OF_FUNCTION} FROM public",
        f"GRANT EXECUTE {OF_FUNCTION} TO datadog",
        "ALTER FUNCTION datadog.explain_statement(text) OWNER TO datadog_explain",
    ]
    assert check.fix
    assert check.fix.after == ""
    assert check.fix.note == (
        "Tables that are created later need the same GRANT to datadog_explain."
    )
    assert "\nSET search_path = pg_catalog, public, pg_temp\n" in check.fix.statements[5]
    known = find(replace(bare, planner=True), "explain_function").fix
    assert "CREATE ROLE datadog_explain NOLOGIN" not in firsts(known)
    unreadable = find(replace(bare, datadog=None), "explain_function").fix
    assert f"GRANT EXECUTE {OF_FUNCTION} TO datadog" not in firsts(unreadable)
    assert unreadable
    assert unreadable.after == ""
    absent = find(replace(bare, datadog=ABSENT), "explain_function").fix
    assert absent
    assert absent.after == "datadog_role"
    unknown = find(replace(bare, explain_known=False), "explain_function")
    assert (unknown.status, unknown.found) == (
        Status.UNKNOWN, "role somebody may not read pg_proc",
    )  # fmt: skip
    assert unknown.fix == Fix(statements=("GRANT SELECT ON pg_proc TO somebody",))


def test_a_function_that_returns_something_else_is_made_again() -> None:
    wrong = find(
        replace(GOOD, explain=replace(EXPLAIN, returns_json_set=False)), "explain_function"
    )
    assert (wrong.status, wrong.found) == (Status.MISSING, "it does not return SETOF json")
    assert MAKE in firsts(wrong.fix)
    assert find(GOOD, "explain_function").found == "owned by reader"


def test_every_way_to_more_than_a_plan_is_named_and_create_is_revoked() -> None:
    """Several ways at once; the note says what to grant before CREATE is revoked."""
    observer = replace(OBSERVER, creates_temporary=True, creates_sql=("app", '"Odd"'))
    facts = replace(
        GOOD,
        datadog=observer,
        explain=replace(EXPLAIN, owner_is_superuser=True, refuses_temporary=False),
        attempt=replace(ATTEMPT, executes=True, evaluates=True),
    )
    check = find(facts, "explain_confined")
    assert check.found == (
        "EXPLAIN EXECUTE evaluates any parameter; functions that read tables run during planning;"
        " temporary functions run during planning; functions of schema app, \"Odd\", where it has"
        " CREATE, run during planning; its owner reader is a superuser"
    )  # fmt: skip
    assert firsts(check.fix)[-2:] == [
        "REVOKE CREATE ON SCHEMA app FROM public, datadog",
        'REVOKE CREATE ON SCHEMA "Odd" FROM public, datadog',
    ]
    assert MAKE in firsts(check.fix)
    assert check.fix
    assert check.fix.note.startswith("First grant CREATE to the roles that create objects in")
    assert check.fix.note.endswith("need the same GRANT to datadog_explain.")
    assert "superuser reader may" in check.impact
    only = find(replace(GOOD, attempt=replace(ATTEMPT, executes=True)), "explain_confined")
    assert only.found == "EXPLAIN EXECUTE evaluates any parameter"
    assert only.fix
    assert only.fix.note.startswith("Tables that are created later")
    assert " reader may" in only.impact
    assert "superuser" not in only.impact


def test_a_superuser_is_no_superuser_first() -> None:
    """Its other ways are consequences of that."""
    facts = replace(
        GOOD, datadog=replace(OBSERVER, is_superuser=True, creates_sql=("public",)),
    )  # fmt: skip
    check = find(facts, "explain_confined")
    assert check.found == "role datadog is a superuser"
    assert check.fix == Fix(statements=("ALTER ROLE datadog NOSUPERUSER",))


@pytest.mark.parametrize(
    ("facts", "status", "found", "fix"),
    [
        (GOOD, Status.OK, "it plans as reader, and refuses statements that would execute", None),
        (
            replace(GOOD, attempt=None), Status.UNKNOWN,
            "role somebody may not call it, nor SET ROLE to datadog",
            Fix(note="Connect as a superuser, or as the Agent's role."),
        ),
        (
            replace(GOOD, datadog=None), Status.UNKNOWN, "role somebody may not read pg_roles", None,
        ),
        (
            replace(GOOD, datadog=replace(OBSERVER, creates_temporary=False),
                    explain=replace(EXPLAIN, refuses_temporary=False)),
            Status.OK, "it plans as reader, and refuses statements that would execute", None,
        ),
    ],
)  # fmt: skip
def test_a_function_that_gives_plans_only(
    facts: Facts, status: Status, found: str, fix: Fix | None
) -> None:
    """Unknown when neither the doctor's role nor the Agent's could call it."""
    check = find(facts, "explain_confined")
    assert (check.status, check.found, check.fix) == (status, found, fix)


def test_an_attempt_that_was_not_made_asks_for_the_grants_to_make_it() -> None:
    """USAGE on the schema and EXECUTE, to the doctor's own role; the Agent's is named when it is known."""
    for facts, name in (
        (replace(GOOD, attempt=None), "datadog"),
        (replace(GOOD, attempt=replace(ATTEMPT, refused=True)), "datadog"),
        (replace(GOOD, attempt=None, datadog=None), "the Agent's role"),
    ):
        check = find(facts, "explain_works")
        assert check.status is Status.UNKNOWN
        assert check.found == f"role somebody may not call it, nor SET ROLE to {name}"
        assert check.fix == Fix(
            statements=(
                "GRANT USAGE ON SCHEMA datadog TO somebody",
                f"GRANT EXECUTE {OF_FUNCTION} TO somebody",
            ),
            note="Or connect as that role.",
        )
    failed = find(replace(GOOD, attempt=replace(ATTEMPT, error="no such")), "explain_works")
    assert failed.found == "SELECT 1: no such"
    assert MAKE in firsts(failed.fix)
    assert find(GOOD, "explain_works").found == "as datadog: SELECT 1"
    # A role that does not exist cannot be refused.
    absent = replace(GOOD, datadog=ABSENT, explain=replace(EXPLAIN, may_execute=False))
    assert find(absent, "explain_works").status is Status.OK


def test_fixes_come_in_the_order_in_which_they_are_made() -> None:
    """Libraries and extensions, roles, the Agent's function, the log."""
    names = [check.name for check in judge(GOOD)]
    assert names[:4] == ["libraries", "pg_stat_statements", "pg_buffercache", "statement_texts"]
    assert names[10:23] == [
        "datadog_role", "datadog_pg_monitor", "datadog_search_path", "datadog_limits",
        "exporter_role", "exporter_pg_monitor", "exporter_search_path", "exporter_limits",
        "datadog_schema", "explain_function", "explain_security_definer", "explain_confined",
        "explain_works",
    ]  # fmt: skip
    assert names[-1] == "auto_explain.log_format"
    assert len(names) == 35


def test_what_is_required_and_what_it_costs() -> None:
    """An observer works without a recommended check; a cost is of production."""
    checks = {check.name: check for check in judge(GOOD)}
    assert checks["query_id"].need is Need.REQUIRED
    assert checks["track_io_timing"].need is Need.RECOMMENDED
    assert checks["libraries"].cost.startswith("needs a restart; pg_stat_statements keeps its")
    assert checks["query_id"].cost == ""
    assert {name for name, check in checks.items() if check.need is Need.REQUIRED} == {
        "libraries", "pg_stat_statements", "statement_texts", "query_id", "datadog_role",
        "datadog_pg_monitor", "datadog_search_path", "exporter_role", "exporter_pg_monitor",
        "exporter_search_path", "datadog_schema", "explain_function", "explain_security_definer",
        "explain_works",
    }  # fmt: skip


def test_what_depends_on_another_check_names_it() -> None:
    """The search path waits for the extension, its texts for the library, a role's rest for the role."""
    none = Extension(default="1.10", version=None, schema=None, schema_sql=None)
    without = replace(GOOD, extensions={"pg_stat_statements": none, "pg_buffercache": CREATED})
    check = find(without, "exporter_search_path")
    assert check.status is Status.UNKNOWN
    assert check.found == "pg_stat_statements is not created in this database"
    assert check.fix == Fix(after="pg_stat_statements")
    assert GOOD.texts
    error = "pg_stat_statements must be loaded via shared_preload_libraries"
    texts = replace(GOOD.texts, error=error, sqlstate="55000")
    assert find(replace(GOOD, texts=texts), "statement_texts").fix == Fix(after="libraries")
    checks = judge(replace(GOOD, exporter=replace(ABSENT, name="e")))
    after = {c.name: c.fix.after for c in checks if c.fix}
    assert after == {
        "exporter_role": "", "exporter_pg_monitor": "exporter_role",
        "exporter_search_path": "exporter_role", "exporter_limits": "exporter_role",
    }  # fmt: skip
    unlimited = {"search_path": "", "statement_timeout": "0", "lock_timeout": "0"}
    exporter = replace(ABSENT, settings=unlimited)
    limits = find(replace(GOOD, exporter=exporter), "exporter_limits").fix
    assert limits
    assert limits.statements == (
        "ALTER ROLE \"dog\" SET statement_timeout = '8s'",
        "ALTER ROLE \"dog\" SET lock_timeout = '2s'",
        'ALTER ROLE "dog" CONNECTION LIMIT 5',
    )
    assert limits.then.value == "new sessions"


def test_on_a_standby_only_settings_are_changed_there() -> None:
    """A fix without a statement is no change, and a database's own setting is the primary's."""
    standby = replace(GOOD, is_standby=True, explain=replace(EXPLAIN, security_definer=False))
    works, definer = (
        find(standby, "explain_works").fix,
        find(standby, "explain_security_definer").fix,
    )
    assert works
    assert definer
    assert works.note == ""
    assert definer.note == "This server is a standby: run these on its primary."


def test_the_report_lists_what_is_missing_and_what_is_not_known() -> None:
    """Missing outweighs unknown; the texts of unknown checks name them."""
    facts = replace(GOOD, has_query_id=None, datadog_schema=False)
    report = Report(
        server_version="15", database="shop", role="somebody", is_standby=False, checks=judge(facts)
    )
    assert [check.name for check in report.missing] == ["datadog_schema"]
    assert report.outcome.exit_status == 1
    assert report.why_unknown == ("query_id: role somebody may not read pg_stat_activity",)
    document = report.to_json()
    assert (document["ok"], document["result"], document["database"]) == (False, "failed", "shop")
