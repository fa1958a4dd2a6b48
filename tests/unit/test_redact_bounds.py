"""Bounds of redaction: how many digits, words and characters stay, and which values of messages and tags."""

import json
import string

import pytest

from lab.telemetry import redact
from lab.telemetry.redact.plans import MAX_STATEMENT
from lab.telemetry.redact.sql import statement
from lab.telemetry.redact.sqlcommenter import Comment, comments, render
from lab.telemetry.redact.tags import number, resource, tag

TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"


def stays(name: str) -> bool:
    return redact.label(name) == name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        # Seven digits, however they are split; dates, private addresses and random ids do not count.
        ("t_1234567", True), ("t_12345678", False), ("t_1234_5678", False), ("a1b2c3d4e5f6g7", True),
        ("p20261101_20261201_1234567", True), ("p20261101_20261201_20270101", False),
        ("t_20261101_1234567", True), ("t_20261301", False), ("t_20261100", False), ("t_20261132", False),
        ("t_20251131_1234567", True), ("t_20501101", False), ("t_19991101", False),
        ("h_10.1.2.3_1234567", True), ("h_10.1.2_1234567", True), ("h_10.1_1234567", False),
        ("h_10.1.2.3_10.1.2.4_123", False), ("h_11.100.200.30", False), ("h_172.16.1.1_123456", True),
        ("h_172.15.100.100", False), ("h_192.168.100.100_1234567", True), ("h_127.0.0.1_1234567", True),
        ("5930500ad4514dc488dc323f054c2c9a", True), ("59305001451412348812323105412290", False),
        ("593050011451412348812323105412ab", False), ("593050011451412348812323105412abc", False),
        ("59305001145141234881232310541abc", True),
        ("app-7d9f8b6c5d-x2x4z", True), ("app-7d9f8b6c55-x2x4z-12", False),
        # As long as a name may be, and letters of other scripts.
        ("x" * 200, True), ("x" * 201, False), ("ação", True), ("日本", False), ("a@b", False), ("", False),
        # Number words: six are few.
        ("um_dois_tres_quatro_cinco_seis", True), ("um_dois_tres_quatro_cinco_seis_sete", False),
        # Words of the language of databases may be several; of unknown words there is one.
        ("zzgrb table", True), ("zzgrb qqwx", False), ("zzgrb_qqwx", True),
        ("Zzgrb_Qqwx", False), ("Zzgrb Table", False), ("Table_Index", True),
        # A name, an initial with a surname of five letters at least, two names in one word.
        ("ana", False), ("xsouza", False), ("anasouza", False), ("leocruz", True),
    ],
)  # fmt: skip
def test_the_bounds_of_a_harmless_name(name: str, kept: bool) -> None:
    assert stays(name) is kept


def test_a_hash_has_twelve_consonants() -> None:
    """Also in a name that is kept around it; another value has another hash."""
    found = redact.hashed("39053344705")
    assert found.startswith("redacted_")
    assert len(found) == len("redacted_") + 12
    assert set(found[9:]) <= set(string.ascii_lowercase) - set("aeiou")
    assert stays(f"t_{found}_1234567")
    assert stays(found * 9)
    assert not stays(found * 10)
    assert redact.hashed("39053344706") != found


def test_a_role_of_vault_keeps_its_beginning() -> None:
    role = "v-token-app-" + "a1B2c3D4e5F6g7H8i9J0" + "-1795294481"
    assert redact.label(role) == f"v-token-app-{redact.hashed(role)}"
    person = "v-token-maria_silva-" + "a1B2c3D4e5F6g7H8i9J0" + "-1795294481"
    assert redact.label(person) == redact.hashed(person)


@pytest.mark.parametrize(
    ("message", "sqlstate", "context", "expected"),
    [
        ('relation "customers" does not exist', "42P01", None, 'relation "customers" does not exist'),
        ('relation "customers" does not exist', None, None, "?"),
        ('relation "customers" does not exist', "P0001", None, "?"),
        ('relation "customers" does not exist', "00000", None, "?"),
        ('relation "customers" does not exist', "42P01", "PL/pgSQL function f() line 1 at RAISE", "?"),
        ('relation "customers" does not exist', "42P01", "PL/pgSQL function f() line 1 at ASSERT\nx", "?"),
        ('relation "customers" does not exist', "42P01", "PL/Python function f()", "?"),
        ('relation "customers" does not exist', "42P01", "SQL function in PL/Perl", "?"),
        (
            'relation "customers" does not exist', "42P01", "PL/pgSQL function f() line 1 at SQL statement",
            'relation "customers" does not exist',
        ),
        ('relation "customers" does not exist, Maria', "42P01", None, "?"),
        ('x relation "customers" does not exist', "42P01", None, "?"),
        ("division by zero", "22012", None, "division by zero"),
        ("division by zero ", "22012", None, "?"),
        # A message of any other SQLSTATE is not the server's.
        ("division by zero", "23505", None, "?"),
        ('syntax error at or near "FROM"', "42601", None, 'syntax error at or near "FROM"'),
        ('syntax error at or near "maria"', "42601", None, 'syntax error at or near "?"'),
        ("syntax error at end of input", "42601", None, "syntax error at end of input"),
        (
            'could not open file "maria": No such file or directory', "58P01", None,
            'could not open file "?": No such file or directory',
        ),
        ('could not open file "maria": Maria', "58P01", None, 'could not open file "?": ?'),
        (
            "function lower(integer) does not exist", "42883", None,
            "function lower(integer) does not exist",
        ),
        ("function Maria Silva does not exist", "42883", None, None),
        (f'relation "{"x" * 1_970}" does not exist', "42P01", None, None),
        (f'relation "{"x" * 1_990}" does not exist', "42P01", None, "?"),
    ],
)  # fmt: skip
def test_what_stays_of_an_error_message(
    message: str, sqlstate: str | None, context: str | None, expected: str | None
) -> None:
    """Only a whole message of the server, whose names follow a noun; `None` stands for a hash in it."""
    found = redact.error_message(message, sqlstate, context)
    if expected is None:
        assert "redacted_" in found
        assert "Maria" not in found
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("db.row_count", 9_999_999.0, 9_999_999.0), ("db.row_count", 10_000_000.0, None),
        ("db.row_count", -9_999_999.0, -9_999_999.0), ("db.row_count", -10_000_000.0, None),
        ("credit.score", 9_999.9994, 9_999.999), ("credit.score", 10_000.5, None),
        ("credit.score", -10_000.5, None), ("credit.score", float("inf"), None),
        ("credit.score", float("nan"), None), ("cpf", 1.0, None), ("db.row_count", 0.0, 0.0),
    ],
)  # fmt: skip
def test_numbers_of_spans_are_shorter_than_personal_ones(
    key: str, value: float, expected: float | None
) -> None:
    assert number(key, value) == expected


def test_random_values_of_tags_are_kept_by_their_form() -> None:
    """The higher half of a trace id ends with zeros; any other long number is a name."""
    assert tag("_dd.p.tid", "6740123400000000") == "6740123400000000"
    assert tag("_dd.p.tid", "6740123412345678") == redact.hashed("6740123412345678")
    assert tag("runtime-id", "1" * 32) == "1" * 32
    assert tag("db.user", "1" * 32) == redact.hashed("1" * 32)


@pytest.mark.parametrize(
    ("text", "kind", "meta", "expected"),
    [
        ("SELECT 1", "sql", {}, "SELECT ?"), ("SELECT 1", "db", {"db.system": "mysql"}, "SELECT ?"),
        ("SELECT " + "a," * 3_000, "sql", {}, "SELECT " + "a," * 996 + "a"),
        ("GET /a/b?cpf=1#x", "web", {}, "GET /a/b"), ("/a/b#x", "web", {}, "/a/b"),
        ("get /a", "web", {}, None), ("", "web", {}, ""), ("settle", "web", {"db.system": "redis"}, "settle"),
        ("GET /39053344705/x", "web", {}, "GET /{}/x"),
    ],
)  # fmt: skip
def test_a_resource_is_a_statement_a_route_or_a_name(
    text: str, kind: str, meta: dict[str, str], expected: str | None
) -> None:
    found = resource(text, kind, meta)
    if expected is None:
        assert found == redact.label(text)
    else:
        assert found == expected.format(redact.hashed("39053344705"))


def test_a_number_that_is_split_over_segments_is_hashed_with_them() -> None:
    assert resource("GET /3905334/4705", "web", {}) == f"GET /{redact.hashed('/3905334/4705')}"
    assert resource("GET /390533/4", "web", {}) == "GET /390533/4"


@pytest.mark.parametrize(
    ("traceparent", "is_one"),
    [
        (f"00-{TRACE}-{SPAN}-01", True), (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False), (f"00-{TRACE}-{SPAN}", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
    ],
)  # fmt: skip
def test_a_traceparent_has_both_ids(traceparent: str, is_one: bool) -> None:
    """A disabled tracer writes zeros."""
    found = comments([f"ddps='credit-risk',traceparent='{traceparent}'"])
    assert (found.trace_id, found.span_id) == ((TRACE, SPAN) if is_one else (None, None))
    assert found.service == "credit-risk"


def test_comments_are_rendered_with_the_parsed_values() -> None:
    """The first of two equal keys counts; a value that is no name is left out."""
    comment = Comment(
        trace_id=TRACE, span_id=SPAN, service="credit-risk", env="lab", version="1.2.3",
        statement="pay", owner="credit-servicing",
    )  # fmt: skip
    assert render(comment) == [
        f"/*dde='lab',ddps='credit-risk',ddpv='1.2.3',traceparent='00-{TRACE}-{SPAN}-01'*/",
        "/*service='credit-servicing',statement='pay'*/",
    ]
    assert comments(render(comment)) == comment
    assert comments(["statement='a',statement='b'", "statement='c'"]).statement == "a"
    assert comments(["statement='a b'", "ddps='x%41'"]) == Comment(service="xA")
    assert (render(Comment()), comments(["nothing"])) == ([], Comment())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 'a\\' AND b = 'c'", "SELECT ?"),
        ("x LIKE 'a' ESCAPE '\\' AND y = 'secret'", "x LIKE ? ESCAPE ? AND y = ?"),
        ("x = '\\' OR 1", "x = ? OR ?"), ("x = '\\' secret", "x = ?"), ("x = 'a\\' secret", "x = ?"),
        ("x = 'a\\\\' OR b", "x = ? OR b"), ("U&\"d\\0061t\" = 1", '"dat" = ?'),
        ('U&"\\+110000" = 1', '"?" = ?'), ('"maria silva" = 1', "{} = ?"), ('a = "x', "a = {}"),
        ('"a""b"', '"{}"'), ("/* a /* b */ 'c' */ SELECT 1", "SELECT ?"), ("SELECT 1 /* 'x", "SELECT ?"),
        ("SELECT 1 -- 'x\n, 2", "SELECT ? \n, ?"),
        ("COPY t FROM STDIN; 1\tMaria", "COPY t FROM STDIN"),
        ("COPY t TO STDOUT; SELECT 1", "COPY t TO STDOUT; SELECT ?"),
        ("InitPlan 1", "InitPlan 1"), ("SubPlan 1234", "SubPlan ?"), ("$12 $123456", "$12 $?"),
    ],
)  # fmt: skip
def test_where_literals_and_comments_end(text: str, expected: str) -> None:
    """With and without standard_conforming_strings; what is uncertain is removed."""
    found = statement(text).text
    if "{}" in expected:
        before, after = expected.split("{}")
        assert found.startswith(before)
        assert found.endswith(after)
        assert "redacted_" in found
    else:
        assert found == expected


def test_the_statement_of_a_plan_is_cut() -> None:
    """The store has the whole text under its queryid."""
    text = "SELECT " + "a, " * MAX_STATEMENT
    found = redact.plan(json.dumps({"Query Text": text, "Plan": {"Node Type": "Result"}}))
    assert len(json.loads(found.definition)["Statement"]) == 20_000
    assert found.statement is not None
    assert len(found.statement) > 20_000
