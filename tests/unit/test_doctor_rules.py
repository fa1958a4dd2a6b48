"""The doctor's rules, as functions of facts: what no server of this machine can show."""

import json
import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from lab.cli.views.doctor import render
from lab.clients import refusals
from lab.doctor import Check, Report, Status, Then
from lab.doctor.facts import (
    Attempt,
    ExplainFunction,
    Extension,
    Facts,
    Observer,
    Setting,
    StatementTexts,
)
from lab.doctor.rules import judge, weight

GOOD_SETTINGS = {
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_min_duration": "200",
    "log_autovacuum_min_duration": "0",
    "log_checkpoints": "on",
    "log_destination": "stderr,jsonlog",
    "log_line_prefix": "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:",
    "log_lock_waits": "on",
    "log_min_duration_statement": "100",
    "log_temp_files": "0",
    "logging_collector": "on",
    "pg_stat_statements.max": "10000",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.track_utility": "off",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "track_activity_query_size": "4096",
    "track_io_timing": "on",
}
LIMITED = {"search_path": '"$user", public', "statement_timeout": "5s", "lock_timeout": "1s"}
OBSERVER = Observer(
    name="datadog",
    sql="datadog",
    exists=True,
    can_login=True,
    may_connect=True,
    connection_limit=10,
    has_monitor=True,
    is_member=True,
    settings=LIMITED,
    path=("public",),
    uses=frozenset({"public", "datadog"}),
)
EXPLAIN = ExplainFunction(
    owner="reader",
    owner_sql="reader",
    security_definer=True,
    returns_json_set=True,
    may_execute=True,
    unreadable=(),
    owner_is_superuser=False,
    refuses_temporary=True,
)
ATTEMPT = Attempt(
    statement="SELECT 1", by="datadog", refused=False, error="", executes=False, evaluates=False
)
CREATED = Extension(default="1.10", version="1.10", schema="public", schema_sql="public")
GOOD = Facts(
    version=150018,
    server_version="15.18",
    database="shop",
    database_sql="shop",
    role="somebody",
    role_sql="somebody",
    is_standby=False,
    settings={
        name: Setting(value=value, source="configuration file", context="sighup")
        for name, value in GOOD_SETTINGS.items()
    },
    datadog=OBSERVER,
    exporter=replace(OBSERVER, name="postgres_exporter", sql="postgres_exporter"),
    extensions={"pg_stat_statements": CREATED, "pg_buffercache": CREATED},
    texts=StatementTexts(error="", sqlstate=None, entries=9, texts=9),
    datadog_schema=True,
    explain=EXPLAIN,
    explain_known=True,
    attempt=ATTEMPT,
    planner=True,
    table_schemas_sql=("public",),
    has_query_id=True,
)


def find(facts: Facts, name: str) -> Check:
    [check] = [check for check in judge(facts) if check.name == name]
    return check


def with_setting(name: str, setting: Setting | None) -> Facts:
    settings = {key: value for key, value in GOOD.settings.items() if key != name}
    if setting is not None:
        settings[name] = setting
    return replace(GOOD, settings=settings)


def test_when_everything_is_there_every_check_is_ok_and_has_no_fix() -> None:
    checks = judge(GOOD)
    assert {check.status for check in checks} == {Status.OK}
    assert not any(check.fix for check in checks)
    assert len({check.name for check in checks}) == len(checks)


# shared_preload_libraries has no check of its own: what it loads is checked.
@pytest.mark.parametrize("name", sorted(GOOD_SETTINGS.keys() - {"shared_preload_libraries"}))
def test_a_setting_that_cannot_be_seen_is_never_called_ok(name: str) -> None:
    """An absent row of pg_settings is unknown, or missing when it proves that a library is not loaded."""
    check = find(with_setting(name, None), name)
    assert check.status is (Status.MISSING if "." in name else Status.UNKNOWN)
    assert check.fix is not None


@pytest.mark.parametrize(
    ("context", "then"), [("postmaster", Then.RESTART), ("sighup", Then.RELOAD)]
)
def test_a_fix_says_whether_a_restart_is_needed(context: str, then: Then) -> None:
    bad = Setting(value="1024", source="default", context=context)
    fix = find(with_setting("track_activity_query_size", bad), "track_activity_query_size").fix
    assert fix is not None
    assert fix.then is then
    assert fix.statements[0] == "ALTER SYSTEM SET track_activity_query_size = '4096'"
    assert fix.conf == "track_activity_query_size = '4096'"


def test_no_sql_is_offered_against_the_servers_command_line() -> None:
    """ALTER SYSTEM would be accepted there and change nothing."""
    bad = Setting(value="off", source="command line", context="superuser")
    fix = find(with_setting("track_io_timing", bad), "track_io_timing").fix
    assert fix is not None
    assert fix.statements == ()
    assert "command line" in fix.note


def test_preloading_keeps_the_libraries_that_are_there() -> None:
    there = Setting(value='citus, "odd name"', source="configuration file", context="postmaster")
    facts = with_setting("shared_preload_libraries", there)
    settings = {k: v for k, v in facts.settings.items() if not k.startswith("auto_explain")}
    fix = find(replace(facts, settings=settings), "libraries").fix
    assert fix is not None
    assert fix.statements == (
        "ALTER SYSTEM SET shared_preload_libraries = 'citus', 'odd name', 'auto_explain'",
    )
    assert fix.then is Then.RESTART


def test_libraries_are_judged_by_their_effect_where_the_list_is_hidden() -> None:
    """shared_preload_libraries is shown to few; the settings that a loaded library defines, to all."""
    assert find(with_setting("shared_preload_libraries", None), "libraries").status is Status.OK


def test_before_version_14_and_15_nothing_is_asked_that_the_server_cannot_have() -> None:
    settings = {
        **GOOD.settings,
        "log_destination": Setting(value="stderr", source="default", context="sighup"),
    }
    facts = replace(GOOD, version=100023, has_query_id=None, settings=settings)
    assert {check.status for check in judge(facts)} == {Status.OK}


def test_membership_that_is_not_inherited_is_fixed_by_the_servers_own_rules() -> None:
    """From 16 on inheritance belongs to the grant, before that to the role."""
    member = replace(OBSERVER, has_monitor=False)
    old = find(replace(GOOD, datadog=member), "datadog_pg_monitor").fix
    new = find(replace(GOOD, datadog=member, version=160004), "datadog_pg_monitor").fix
    assert old is not None
    assert new is not None
    assert old.statements == ("ALTER ROLE datadog INHERIT",)
    assert new.statements == ("GRANT pg_monitor TO datadog WITH INHERIT TRUE",)


def test_what_needs_an_absent_role_comes_after_the_role() -> None:
    absent = Observer(name="datadog", sql="datadog", exists=False, settings=LIMITED)
    facts = replace(GOOD, datadog=absent, datadog_schema=False, explain=None, attempt=None)
    after = {check.name: check.fix.after for check in judge(facts) if check.fix}
    assert after["datadog_role"] == ""
    for name in ("datadog_pg_monitor", "datadog_schema", "explain_function"):
        assert after[name] == "datadog_role"


def test_what_the_role_may_not_read_is_unknown_and_named_with_the_grant() -> None:
    blind = replace(
        GOOD,
        settings={},
        datadog=None,
        exporter=None,
        extensions=None,
        texts=None,
        datadog_schema=None,
        explain=None,
        explain_known=False,
        attempt=None,
        table_schemas_sql=(),
        has_query_id=None,
    )
    unknown = {check.name: check for check in judge(blind) if check.status is Status.UNKNOWN}
    assert {"pg_stat_statements", "datadog_role", "exporter_role", "datadog_schema"} <= set(unknown)
    assert {"explain_function", "query_id", "log_destination"} <= set(unknown)
    for check in unknown.values():
        assert check.fix is not None
        assert check.fix.statements[0].startswith("GRANT ")
        assert check.fix.statements[0].endswith(" TO somebody")


def test_an_owner_that_cannot_read_every_table_is_named_with_the_tables() -> None:
    partial = replace(EXPLAIN, unreadable=("customers", "audit_log"))
    check = find(replace(GOOD, explain=partial), "explain_works")
    assert check.status is Status.MISSING
    assert "customers, audit_log" in check.found
    assert check.fix is not None
    assert check.fix.statements == (
        "GRANT USAGE ON SCHEMA public TO reader",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader",
    )


def test_a_failed_attempt_outweighs_privileges_that_look_right() -> None:
    failed = replace(ATTEMPT, error="relation is absent")
    check = find(replace(GOOD, attempt=failed), "explain_works")
    assert check.status is Status.MISSING
    assert "relation is absent" in check.found


def test_the_report_is_json_and_unknown_has_an_exit_status_of_its_own() -> None:
    good = report(GOOD)
    assert json.loads(json.dumps(good.to_json()))["ok"] is True
    assert good.outcome.exit_status == 0
    unknown = report(replace(GOOD, has_query_id=None))
    assert unknown.outcome.exit_status == 2
    document = unknown.to_json()
    assert (document["ok"], document["result"]) == (None, "unknown")
    assert document["why_unknown"][0].startswith("query_id: ")
    missing = report(replace(GOOD, has_query_id=False))
    assert missing.outcome.exit_status == 1
    [check] = [c for c in missing.to_json()["checks"] if c["name"] == "query_id"]
    assert check["status"] == "missing"
    assert check["fix"]["statements"][0] == "ALTER SYSTEM SET compute_query_id = 'on'"


def test_the_view_shows_every_fix_whole_in_a_narrow_terminal() -> None:
    """Lines are wrapped between words, never cut: what is copied from the screen is still SQL."""
    bare = replace(GOOD, settings={}, explain=None, attempt=None)
    examined = report(bare)
    shown = StringIO()
    Console(width=72, file=shown).print(render(examined))
    words = " ".join(shown.getvalue().split())
    statements = [s for check in examined.checks if check.fix for s in check.fix.statements]
    assert len(statements) > 20
    for statement in statements:
        assert f"{' '.join(statement.split())};" in words
    assert f"{len(examined.missing)} of {len(examined.checks)} missing" in words


def test_the_verdict_comes_first_and_what_is_required_before_what_is_recommended() -> None:
    """A warning names what a fix costs in production."""
    timing = replace(GOOD.settings["track_io_timing"], value="off")
    bare = replace(with_setting("track_io_timing", timing), has_query_id=False)
    shown = StringIO()
    Console(width=200, file=shown).print(render(report(bare)))
    text = shown.getvalue()
    assert text.splitlines()[1].startswith("2 of ")
    assert "missing (1 required, 1 recommended)" in text.splitlines()[1]
    shown_lines = [line.strip() for line in text.splitlines()]
    required, recommended = shown_lines.index("required"), shown_lines.index("recommended")
    at = {
        name: text[: text.index(name)].count("\n")
        for name in ("a query id", "I/O time is measured")
    }
    assert required < at["a query id"] < recommended < at["I/O time is measured"]
    assert "What it costs in production: two clock reads for each block" in text


def test_every_cost_and_need_is_of_a_check_that_there_is() -> None:
    names = {check.name for check in judge(GOOD)}
    assert names >= weight.REQUIRED | weight.COSTS.keys()


def report(facts: Facts) -> Report:
    return Report(
        server_version=facts.server_version,
        database=facts.database,
        role=facts.role,
        is_standby=facts.is_standby,
        checks=judge(facts),
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GOOD, attempt=replace(ATTEMPT, executes=True)), "EXPLAIN EXECUTE"),
        (replace(GOOD, attempt=replace(ATTEMPT, evaluates=True)), "read tables"),
        (replace(GOOD, explain=replace(EXPLAIN, owner_is_superuser=True)), "reader is a superuser"),
        (
            replace(
                GOOD,
                datadog=replace(OBSERVER, creates_temporary=True),
                explain=replace(EXPLAIN, refuses_temporary=False),
            ),
            "temporary functions",
        ),
        (replace(GOOD, datadog=replace(OBSERVER, creates_sql=("public",))), "schema public"),
        (
            replace(GOOD, datadog=replace(OBSERVER, is_superuser=True)),
            "role datadog is a superuser",
        ),
    ],
)
def test_each_way_to_act_as_the_explain_functions_owner_is_missing_with_a_fix(
    facts: Facts, words: str
) -> None:
    check = find(facts, "explain_confined")
    assert check.status is Status.MISSING
    assert words in check.found
    assert check.fix is not None
    assert check.fix.statements


def test_temporary_objects_are_no_hole_where_the_function_refuses_them() -> None:
    facts = replace(GOOD, datadog=replace(OBSERVER, creates_temporary=True))
    assert find(facts, "explain_confined").status is Status.OK


def test_what_could_not_be_tried_is_not_called_confined() -> None:
    refused = replace(GOOD, attempt=replace(ATTEMPT, refused=True))
    assert find(refused, "explain_confined").status is Status.UNKNOWN


def test_on_a_standby_what_is_replicated_is_changed_on_the_primary() -> None:
    """Settings of the server stay its own; extensions, roles and functions come from the primary."""
    absent = Extension(default="1.10", version=None, schema=None, schema_sql=None)
    facts = replace(
        GOOD,
        is_standby=True,
        has_query_id=False,
        extensions={"pg_stat_statements": absent, "pg_buffercache": CREATED},
    )
    extension, setting = (find(facts, name).fix for name in ("pg_stat_statements", "query_id"))
    assert extension is not None
    assert setting is not None
    assert "on its primary" in extension.note
    assert "primary" not in setting.note
    assert "primary" not in str(judge(replace(facts, is_standby=False)))


def test_a_setting_is_shown_for_those_who_may_not_alter_the_system_too() -> None:
    """A managed service has a parameter group; a file of one's own has to be read again."""
    facts = replace(GOOD, has_query_id=False)
    shown = StringIO()
    Console(width=200, file=shown).print(render(report(facts)))
    assert "ALTER SYSTEM SET compute_query_id = 'on';" in shown.getvalue()
    assert "In postgresql.conf or a parameter group: compute_query_id = 'on'" in shown.getvalue()
    assert shown.getvalue().count("SELECT pg_reload_conf()") == 2


@pytest.mark.parametrize(
    ("texts", "status", "words"),
    [
        (StatementTexts(error="", sqlstate=None, entries=0, texts=0), Status.OK, "0 texts"),
        (StatementTexts(error="", sqlstate=None, entries=7, texts=0), Status.MISSING, "are NULL"),
        (
            StatementTexts(error="invalid byte", sqlstate="22021", entries=0, texts=0),
            Status.MISSING,
            "invalid byte",
        ),
        (
            StatementTexts(error="time-out", sqlstate="57014", entries=0, texts=0),
            Status.UNKNOWN,
            "time-out",
        ),
    ],
)
def test_statement_texts_that_cannot_be_read_are_reported(
    texts: StatementTexts, status: Status, words: str
) -> None:
    check = find(replace(GOOD, texts=texts), "statement_texts")
    assert (check.status, words in check.found) == (status, True)
    assert (check.fix is None) is (status is Status.OK)


def test_advice_about_the_labs_own_database_is_not_given_for_another_server() -> None:
    """Those who check a server of their own have no `./creditlab status` of it."""
    attempt = 'connection to server at "db.example.org", port 5432 failed: '
    for reason in (
        "Connection refused",
        'FATAL:  database "x" does not exist',
        "FATAL:  password authentication failed for user",
    ):
        own = str(refusals.error(attempt + reason, {"dbname": "x"}))
        assert re.search(r"creditlab|lab's own", own)
        other = refusals.of_another_server(own)
        assert not re.search(r"creditlab|lab's own", other)
        assert other.startswith("PostgreSQL at db.example.org:5432") or "No PostgreSQL" in other
