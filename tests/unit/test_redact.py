"""What lab.telemetry.redact lets through, and above all what it does not."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.telemetry import redact
from lab.telemetry.redact import sql
from lab.telemetry.redact.sql import statement
from workload.statements import STATEMENTS

CPF = "39053344705"
UNIQUE = 'duplicate key value violates unique constraint "customers_cpf_key"'
TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"
DDTRACE = (
    "/*dddb='creditdb',dddbs='postgres',dde='lab',ddh='127.0.0.1',ddps='credit-customers',"
    f"ddpv='0.1.0',traceparent='00-{TRACE}-{SPAN}-01'*/ "
)

# The secret stands alone between characters that no literal treats specially, so that finding it in the
# output means that a literal's content came through.
SECRET = "Zz9Qx7Secret"
NOISE = st.text(alphabet="ab '\"\\$/*-\n\r;(),.0é?", max_size=12)


def _escape(body: str) -> str:
    return body.replace("'", "''")


@st.composite
def literals(draw: st.DrawFn) -> str:
    """Any literal of PostgreSQL, with the secret inside."""
    body = draw(NOISE) + SECRET + draw(NOISE)
    kind = draw(st.sampled_from(["plain", "escape", "dollar", "prefix", "number", "continued"]))
    if kind == "plain":
        return f"'{_escape(body)}'"
    if kind == "escape":
        return (
            "e'"
            + body.replace("\\", "\\\\").replace("'", draw(st.sampled_from(["\\'", "''"])))
            + "'"
        )
    if kind == "continued":
        gap = draw(st.sampled_from(["\n", " \n\t", "--c'\n", "\r\n--'x\n "]))
        return f"E'a\\''{gap}'b\\'{SECRET}'"
    if kind == "dollar":
        tag = draw(st.sampled_from(["", "q", "_t1", "é"]))
        return f"${tag}${body.replace('$', '')}${tag}$"
    if kind == "prefix":
        return draw(st.sampled_from(["B", "x", "N", "U&", "u&"])) + f"'{_escape(body)}'"
    return f"{draw(st.integers(0, 9))}{SECRET}"


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Literals between pieces of SQL."""
    glue = st.sampled_from([
        "SELECT ", " = ", "::text AND x=", ", ", "/* a /* b */ ' */ ", "-- it's\n", "(", ") ",
        'SELECT "Col", ', " a$b$c ", " $1 ", "E ", " 1.5e-3+", " t1.c2=",
    ])  # fmt: skip
    return "".join(draw(glue) + draw(literals()) + " " for _ in range(draw(st.integers(1, 4))))


@given(statements())
@example(f"SELECT '{SECRET}")
@example(f"SELECT E'{SECRET}\\")
@example(f"SELECT $a$ {SECRET} $b$")
@example(f'SELECT "{SECRET} x')
@example(f"/* {SECRET}")
def test_no_literal_survives(text: str) -> None:
    """No content of a literal or a comment is in the redacted text, whole or cut off."""
    assert SECRET not in statement(text).text
    for cut in range(len(text)):
        prefix = text[:cut]
        start = prefix.rfind(SECRET)
        if start >= 0:
            assert SECRET not in statement(prefix).text


PIECES = st.sampled_from([
    "SELECT", "select", "FROM", "copy", "COPY", "stdin", "STDIN", ";", "maria", "silva", "customers", "a.b",
    "SubPlan 1", "InitPlan 12.", "E", "x", "U&", "B", "$1", "$a$", "$", "'", "''", "\\", '"', "--", "/*",
    "*/", ".5", "1e-3", "20261101", " ", "\n", "\x85", "(", ")", ",", "=", "::", "'a'", "E'\\''", '"Col"',
    "é", "/* a='b' */", "-- x\n", "-", "/", ".", "t1",
])  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
@example("COPY t FROM STDIN\n1\tMaria\n")
@example("copy'a'stdin-- x\nSELECT")
@example("SELECT a b c 'x'maria silva")
def test_plain_pieces_give_what_single_tokens_give(text: str) -> None:
    """Plain SQL between literals is redacted at once; the result is that of token by token."""
    alone = sql._Lexer(text, sql.TOKEN).redacted()
    assert sql._Lexer(text).redacted() == alone


@given(st.text(alphabet="abE'\"\\$/*-\n 1eUu&xé.;", max_size=60))
def test_redacting_twice_changes_nothing(text: str) -> None:
    """What is redacted holds no literal any more."""
    once = statement(text).text
    assert statement(once).text == once


def with_hashes(expected: str) -> str:
    """Hashes differ from process to process: `<Maria>` stands for that of Maria."""
    return re.sub("<(.+?)>", lambda found: redact.hashed(found[1]), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT $1, a.b2, t$1x FROM t2", "SELECT $1, a.b2, t$1x FROM t2"),
        ("a = 1 AND b<>-2.5e10 or c=.5", "a = ? AND b<>-? or c=?"),
        (f"(cpf = '{CPF}'::bpchar)", "(cpf = ?::bpchar)"),
        ("interval '1 hour' LIMIT 10", "interval ? LIMIT ?"),
        ("IN ('a','b')", "IN (?,?)"),
        ("SELECT E'a\\'b', 'c'", "SELECT ?, ?"),
        ('SELECT "Name", "Maria da Silva"', 'SELECT "Name", "<Maria da Silva>"'),
        ("SELECT $$a'b$$ || $x$ $$ $x$", "SELECT ? || ?"),
        ("SELECT 0x1F, 1_000", "SELECT ?, ?"),
        ("SELECT '\\', name, 'x'", "SELECT ?, name, ?"),
    ],
)
def test_literals(text: str, expected: str) -> None:
    """Literals become question marks; names, parameters and operators stay."""
    assert statement(text).text == with_hashes(expected)


def test_comments_are_read_and_taken_out() -> None:
    """ddtrace's and our own comment give the span and the statement's name, and do not stay."""
    sql = STATEMENTS["browse_products"].sql
    redacted = statement(DDTRACE + sql)
    assert redacted.comment == redact.Comment(
        trace_id=TRACE,
        span_id=SPAN,
        service="credit-customers",
        env="lab",
        version="0.1.0",
        statement="browse_products",
        owner="credit-proposals",
    )
    assert "/*" not in redacted.text
    assert redacted.text.startswith("SELECT product_id")


@pytest.mark.parametrize(
    "comment",
    [
        f"/*traceparent='00-{'0' * 32}-{SPAN}-01'*/",
        f"/*traceparent='00-{TRACE}-{'0' * 16}-01'*/",
        f"/*traceparent='00-{TRACE[:-1]}g-{SPAN}-01'*/",
        "/*traceparent='*/",
        f"/*ddps='{CPF}'*/",
        "/*ddps='Maria da Silva'*/",
        f"SELECT '/*ddps=''a'',traceparent=''00-{TRACE}-{SPAN}-01''*/'",
    ],
)
def test_what_is_no_comment_of_a_tracer(comment: str) -> None:
    """Ids of zeros, malformed values, and comments inside literals name nothing."""
    assert statement(comment).comment == redact.Comment()


def test_plan() -> None:
    """A plan keeps its nodes and figures, and loses every literal."""
    document = {
        "Query Text": f"{DDTRACE}SELECT * FROM customers WHERE cpf = '{CPF}'",
        "Plan": {
            "Node Type": "Index Scan",
            "Relation Name": "customers",
            "Index Name": "customers_cpf_key",
            "Index Cond": f"(cpf = '{CPF}'::bpchar)",
            "Filter": "(full_name = 'Maria da Silva'::text)",
            "Some Key Of PostgreSQL 19": "'Maria'",
            "Actual Rows": 1,
            "Plans": [{"Node Type": "Result", "Output": ["'maria@example.com'::text", "id"]}],
        },
        CPF: 1,
    }
    plan = redact.plan(json.dumps([document]))
    assert plan.comment.span_id == SPAN
    assert plan.statement == "SELECT * FROM customers WHERE cpf = ?"
    for secret in (CPF, "Maria", "maria@", "Query Text"):
        assert secret not in plan.definition
    kept = json.loads(plan.definition)["Plan"]
    assert kept["Index Name"] == "customers_cpf_key"
    assert kept["Index Cond"] == "(cpf = ?::bpchar)"
    assert kept["Plans"][0]["Output"] == ["?::text", "id"]


def test_shape_tells_plans_apart() -> None:
    """Costs and rows do not change a plan's shape; another index does."""

    def shape(index: str, rows: int) -> str:
        node = {"Node Type": "Index Scan", "Index Name": index, "Plan Rows": rows}
        return redact.plan(json.dumps({"Plan": node})).shape

    assert shape("a", 1) == shape("a", 2) != shape("b", 1)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"Plan": 1}', "[" * 100_000, '{"Plan":' * 5000]
)
def test_no_plan(text: str) -> None:
    """What is no plan is refused, however deep it is nested."""
    with pytest.raises(redact.InvalidPlanError):
        redact.plan(text)


def test_plan_nested_beyond_the_limit() -> None:
    """A well-formed plan nested a thousand deep is refused."""
    with pytest.raises(redact.InvalidPlanError):
        redact.plan('{"Plan":{"Plans":[' * 500 + "1" + "]}}" * 500)


@pytest.mark.parametrize(
    ("sqlstate", "message", "expected"),
    [
        ("42P01", 'relation "clientes" does not exist', 'relation "clientes" does not exist'),
        ("23505", UNIQUE, UNIQUE),
        ("22P02", f'invalid input syntax for type date: "{CPF}x"', 'invalid input syntax for type date: "?"'),
        ("22P02", 'invalid input syntax for type date: "Maria', "invalid input syntax for type ?"),
        ("22007", "date '1980-01-02' is bad", "?"),
        ("P0001", "Maria da Silva owes us", "?"),
        ("23505", f"Key (cpf)=({CPF}) already exists.", "?"),
        ("23505", 'relation "clientes" does not exist', "?"),
        ("XX000", f"value {CPF} of maria@example.com", "?"),
        ("42703", 'column "Maria da Silva" does not exist', 'column "<Maria da Silva>" does not exist'),
        ("42703", 'column c.valor does not exist', "column c.valor does not exist"),
        ("42703", 'column "a" de Maria "b" does not exist', 'column "<a" de Maria "b>" does not exist'),
        ("22P02", f'malformed array literal: "{{Maria,\n{CPF}}}"', 'malformed array literal: "?"'),
        ("42601", 'unterminated quoted string at or near "\'Maria "x"\n', "?"),
        ("42601", 'unterminated quoted string at or near "\'Maria "x"\n"',
         'unterminated quoted string at or near "?"'),
        ("53100", 'could not extend file "base/1/2": No space left on device',
         'could not extend file "?": No space left on device'),
        ("42883", "function f(integer, text) does not exist", "function f(integer, text) does not exist"),
    ],
)  # fmt: skip
def test_messages(sqlstate: str, message: str, expected: str) -> None:
    """Names of objects stay in messages; values do not."""
    assert redact.error_message(message, sqlstate) == with_hashes(expected)


def test_tags() -> None:
    """Only tags known to hold no personal data are kept."""
    assert redact.tag("db.system", "postgresql") == "postgresql"
    assert redact.tag("customer.name", "Maria") is None
    assert redact.tag("error.stack", CPF) is None


def test_an_undecodable_byte_hides_no_name_and_costs_no_other() -> None:
    """U+FFFD stays in what is harmless with any letter in its place; a name that it may be is replaced."""
    assert redact.label("situa\ufffd\ufffdo") == "situa\ufffd\ufffdo"
    for name in ("jo\ufffdo", "Jos\ufffd Silva"):
        assert "\ufffd" not in str(redact.label(name))
