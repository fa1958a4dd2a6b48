"""What the doctor reports of each single fault: status, state, SQL, and what comes before and after it."""

from dataclasses import replace

import pytest

from lab.doctor import Status, Then
from lab.doctor.check import Fix
from lab.doctor.facts import Facts, Observer, Setting, StatementTexts
from tests.unit.test_doctor_rules import (
    CREATED,
    EXPLAIN,
    GOOD,
    LIMITED,
    OBSERVER,
    find,
    with_setting,
)

AGAIN = "Then run the doctor again."
ABSENT = Observer(name="datadog", sql='"dog"', exists=False, settings=LIMITED)


def datadog(**changes: object) -> Facts:
    return replace(GOOD, datadog=replace(OBSERVER, **changes))  # type: ignore[arg-type]


def extension(**changes: str | None) -> Facts:
    changed = replace(CREATED, **changes)  # type: ignore[arg-type]
    return replace(GOOD, extensions={"pg_stat_statements": changed, "pg_buffercache": CREATED})


def value_of(name: str, value: str) -> Facts:
    return with_setting(name, Setting(value=value, source="default", context="sighup"))


@pytest.mark.parametrize(
    ("name", "insufficient", "sufficient"),
    [
        ("pg_stat_statements.max", "9999", ("10000", "10001")),
        ("pg_stat_statements.track", "top", ("all",)),
        ("pg_stat_statements.track_utility", "on", ("off",)),
        ("track_activity_query_size", "4095", ("4096", "8192")),
        ("track_io_timing", "off", ("on",)),
        ("log_destination", "stderr", ("jsonlog, stderr", "stderr,jsonlog,csvlog")),
        ("log_line_prefix", "%m [%p] ", (" %m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a: ",)),
        ("log_min_duration_statement", "-1", ("0", "250")),
        ("auto_explain.log_format", "text", ("json",)),
        ("auto_explain.log_analyze", "off", ("on",)),
    ],
)
def test_the_value_from_which_a_setting_is_sufficient(
    name: str, insufficient: str, sufficient: tuple[str, ...]
) -> None:
    """The last insufficient value is missing with its text; those from the bound on are not."""
    missing = find(value_of(name, insufficient), name)
    assert (missing.status, missing.found) == (Status.MISSING, f"{name} = {insufficient!r}")
    assert missing.fix
    assert missing.fix.then is Then.RELOAD
    assert [find(value_of(name, value), name).status for value in sufficient] == [
        Status.OK for _ in sufficient
    ]


def test_jsonlog_is_asked_of_version_15_and_query_ids_of_version_14() -> None:
    """The versions that introduced them are the first that must have them."""
    plain = value_of("log_destination", "stderr")
    for version, status in ((149_999, Status.OK), (150_000, Status.MISSING)):
        assert find(replace(plain, version=version), "log_destination").status is status
    check = find(plain, "log_destination")
    assert check.title == "The log is written as stderr and jsonlog"
    assert check.fix
    assert check.fix.conf == "log_destination = 'stderr,jsonlog'"
    without = replace(GOOD, has_query_id=False)
    for version, status in ((139_999, Status.OK), (140_000, Status.MISSING)):
        assert find(replace(without, version=version), "query_id").status is status


def test_where_a_parameter_is_set_decides_how_it_is_fixed() -> None:
    """The database's own value outranks the files; a library's parameter waits for the library."""
    of_database = with_setting(
        "track_io_timing", Setting(value="off", source="database", context="superuser")
    )
    assert find(of_database, "track_io_timing").fix == Fix(
        statements=("ALTER DATABASE shop SET track_io_timing = 'on'",), then=Then.RECONNECT
    )
    absent = find(with_setting("pg_stat_statements.max", None), "pg_stat_statements.max")
    assert absent.found == "pg_stat_statements is not loaded"
    assert absent.fix == Fix(
        statements=(
            "ALTER SYSTEM SET pg_stat_statements.max = '10000'",
            "SELECT pg_reload_conf()",
        ),
        conf="pg_stat_statements.max = '10000'",
        then=Then.RESTART,
        after="libraries",
    )
    track = find(with_setting("pg_stat_statements.track", None), "pg_stat_statements.track").fix
    assert track
    assert (track.then, track.after) == (Then.RELOAD, "libraries")
    on_command_line = find(
        with_setting(
            "track_io_timing", Setting(value="off", source="command line", context="superuser")
        ),
        "track_io_timing",
    )
    assert on_command_line.found == "track_io_timing = 'off' (set on the command line)"
    assert on_command_line.fix
    assert on_command_line.fix.then is Then.RESTART
    assert on_command_line.fix.conf == "track_io_timing = 'on'"
    hidden = find(with_setting("track_io_timing", None), "track_io_timing")
    assert hidden.found == "role somebody may not see track_io_timing"
    assert hidden.fix == Fix(statements=("GRANT pg_read_all_settings TO somebody",), note=AGAIN)


def test_libraries_that_the_role_cannot_list_are_added_to_the_current_value() -> None:
    """No ALTER SYSTEM then: it would replace a list that is not known."""
    settings = {
        name: setting
        for name, setting in GOOD.settings.items()
        if not name.startswith(("auto_explain", "pg_stat_statements", "shared"))
    }
    check = find(replace(GOOD, settings=settings), "libraries")
    assert check.found == "not loaded: pg_stat_statements, auto_explain"
    assert check.fix == Fix(
        conf="shared_preload_libraries = '(current value),pg_stat_statements,auto_explain'",
        then=Then.RESTART,
        note="To see the current value: GRANT pg_read_all_settings TO somebody;",
    )
    line = Setting(value="citus", source="command line", context="postmaster")
    fixed = replace(GOOD, settings={**settings, "shared_preload_libraries": line})
    fix = find(fixed, "libraries").fix
    assert fix
    assert (fix.statements, fix.then) == ((), Then.RESTART)
    assert find(GOOD, "libraries").found == "both are loaded"


def not_converted(sqlstate: str) -> Facts:
    return replace(
        GOOD, texts=StatementTexts(error="no such byte", sqlstate=sqlstate, entries=0, texts=0)
    )


RESET = ("SELECT public.pg_stat_statements_reset()",)
GRANT_USAGE = "GRANT USAGE ON SCHEMA datadog TO datadog"


@pytest.mark.parametrize(
    ("facts", "name", "status", "found", "statements"),
    [
        (
            replace(GOOD, extensions=None, texts=None), "pg_buffercache", Status.UNKNOWN,
            "role somebody may not read pg_available_extensions",
            ("GRANT SELECT ON pg_available_extensions TO somebody",),
        ),
        (
            replace(GOOD, extensions={"pg_stat_statements": CREATED}), "pg_buffercache",
            Status.MISSING, "extension pg_buffercache is not installed on the server", (),
        ),
        (
            extension(version=None, schema=None, schema_sql=None), "pg_stat_statements",
            Status.MISSING, "not created in this database",
            ("CREATE EXTENSION pg_stat_statements SCHEMA public",),
        ),
        (
            extension(version="1.9"), "pg_stat_statements", Status.MISSING,
            "version 1.9 in schema public; the server's default version is 1.10",
            ("ALTER EXTENSION pg_stat_statements UPDATE",),
        ),
        (not_converted("22021"), "statement_texts", Status.MISSING, "no such byte", RESET),
        (not_converted("22P05"), "statement_texts", Status.MISSING, "no such byte", RESET),
        (not_converted("42883"), "statement_texts", Status.MISSING, "no such byte", RESET),
        (
            not_converted("57014"), "statement_texts", Status.UNKNOWN, "no such byte",
            ("GRANT pg_monitor TO somebody",),
        ),
        (
            replace(GOOD, texts=StatementTexts(error="", sqlstate=None, entries=1, texts=0)),
            "statement_texts", Status.MISSING, "all texts are NULL: the server lost the text file",
            RESET,
        ),
        (
            replace(GOOD, has_query_id=None), "query_id", Status.UNKNOWN,
            "role somebody may not read pg_stat_activity", ("GRANT pg_monitor TO somebody",),
        ),
        (
            datadog(can_login=False), "datadog_role", Status.MISSING, "it may not log in",
            ("ALTER ROLE datadog LOGIN",),
        ),
        (
            datadog(may_connect=False), "datadog_role", Status.MISSING,
            "it may not connect to this database", ("GRANT CONNECT ON DATABASE shop TO datadog",),
        ),
        (
            replace(GOOD, datadog=ABSENT), "datadog_role", Status.MISSING, "it does not exist",
            ('CREATE ROLE "dog" LOGIN',),
        ),
        (
            datadog(has_monitor=False, is_member=False), "datadog_pg_monitor", Status.MISSING,
            "it is not a member", ("ALTER ROLE datadog INHERIT", "GRANT pg_monitor TO datadog"),
        ),
        (
            replace(GOOD, datadog=ABSENT), "datadog_pg_monitor", Status.MISSING,
            "it is not a member", ('GRANT pg_monitor TO "dog"',),
        ),
        (
            datadog(has_monitor=False), "datadog_pg_monitor", Status.MISSING,
            "it is a member, but does not inherit", ("ALTER ROLE datadog INHERIT",),
        ),
        (
            replace(datadog(has_monitor=False), version=160_000), "datadog_pg_monitor",
            Status.MISSING, "it is a member, but does not inherit",
            ("GRANT pg_monitor TO datadog WITH INHERIT TRUE",),
        ),
        (
            datadog(path=("app",)), "datadog_search_path", Status.MISSING,
            'the extension is in schema public, its search path is "$user", public',
            (
                "GRANT USAGE ON SCHEMA public TO datadog",
                'ALTER ROLE datadog IN DATABASE shop SET search_path = "$user", public, public',
            ),
        ),
        (
            datadog(uses=frozenset({"datadog"})), "datadog_search_path", Status.MISSING,
            'the extension is in schema public, its search path is "$user", public',
            ("GRANT USAGE ON SCHEMA public TO datadog",),
        ),
        (
            datadog(path=(), settings={**LIMITED, "search_path": ""}), "datadog_search_path",
            Status.MISSING, "the extension is in schema public, its search path is ",
            (
                "GRANT USAGE ON SCHEMA public TO datadog",
                "ALTER ROLE datadog IN DATABASE shop SET search_path = public",
            ),
        ),
        (
            datadog(settings={**LIMITED, "statement_timeout": "0"}), "datadog_limits",
            Status.MISSING, "without: statement_timeout",
            ("ALTER ROLE datadog SET statement_timeout = '5s'",),
        ),
        (
            datadog(settings={**LIMITED, "lock_timeout": "0"}, connection_limit=-1),
            "datadog_limits", Status.MISSING, "without: lock_timeout, connection limit",
            ("ALTER ROLE datadog SET lock_timeout = '1s'", "ALTER ROLE datadog CONNECTION LIMIT 10"),
        ),
        (datadog(connection_limit=0), "datadog_limits", Status.OK, "it has all three", None),
        (
            replace(GOOD, datadog_schema=None), "datadog_schema", Status.UNKNOWN,
            "role somebody may not read pg_namespace or pg_roles",
            ("GRANT SELECT ON pg_namespace, pg_roles TO somebody",),
        ),
        (
            replace(GOOD, datadog_schema=False), "datadog_schema", Status.MISSING,
            "this database has no such schema",
            ("CREATE SCHEMA IF NOT EXISTS datadog", GRANT_USAGE),
        ),
        (
            datadog(uses=frozenset({"public"})), "datadog_schema", Status.MISSING,
            "role datadog has no USAGE on it", (GRANT_USAGE,),
        ),
        (
            replace(GOOD, explain=replace(EXPLAIN, security_definer=False)),
            "explain_security_definer", Status.MISSING, "SECURITY INVOKER",
            ("ALTER FUNCTION datadog.explain_statement(text) SECURITY DEFINER",),
        ),
        (
            replace(GOOD, explain=replace(EXPLAIN, security_definer=False)), "explain_confined",
            Status.OK, "it runs with the caller's own privileges", None,
        ),
        (
            replace(GOOD, explain=replace(EXPLAIN, security_definer=False)), "explain_works",
            Status.MISSING, "the function runs with the Agent's own privileges", (),
        ),
        (
            replace(GOOD, explain=replace(EXPLAIN, may_execute=False)), "explain_works",
            Status.MISSING, "role datadog may not execute datadog.explain_statement(text)",
            ("GRANT EXECUTE ON FUNCTION datadog.explain_statement(text) TO datadog",),
        ),
        (
            replace(GOOD, explain=replace(EXPLAIN, unreadable=("a", "b", "c", "d"))),
            "explain_works", Status.MISSING, "its owner reader may not read 4 tables: a, b, c",
            (
                "GRANT USAGE ON SCHEMA public TO reader",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader",
            ),
        ),
    ],
)  # fmt: skip
def test_each_fault_has_its_state_and_the_sql_that_fixes_it(
    facts: Facts, name: str, status: Status, found: str, statements: tuple[str, ...] | None
) -> None:
    """None where nothing is to be done; no statement where SQL cannot fix it."""
    check = find(facts, name)
    assert (check.status, check.found) == (status, found)
    assert (check.fix and check.fix.statements) == statements
