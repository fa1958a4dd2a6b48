"""Techniques by which personal data gets into SQL, messages, names and payloads, for the property tests.

A technique is a place (`SQL`, a field of a payload) and a spelling; `combinations` yields all of them, each
with a person of its own, so that a value that is found in the store names the technique that brought it.
"""

import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from lab.seed.people import name_pools
from lab.telemetry.redact.words import people
from workload import cpf

FULLWIDTH = str.maketrans("0123456789@", "０１２３４５６７８９＠")  # noqa: RUF001 - the point of it
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
LEAST_NAME = 5


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is nobody: every value is that person's alone."""

    cpf: str
    given: str
    surname: str
    phone: str

    @property
    def email(self) -> str:
        return f"{plain(self.given)}.{plain(self.surname)}.{self.cpf[:4]}@example.com".lower()

    @property
    def formatted(self) -> str:
        digits = self.cpf
        return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"

    @property
    def name(self) -> str:
        return f"{self.given} da {self.surname}"


def plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


SPELLINGS: MappingProxyType[str, Callable[[Person], str]] = MappingProxyType({
    "cpf": lambda p: p.cpf,
    "cpf formatted": lambda p: p.formatted,
    "cpf with blanks": lambda p: " ".join(p.cpf[i : i + 3] for i in range(0, 11, 3)),
    "cpf with underscores": lambda p: p.formatted.translate(str.maketrans(".-", "__")),
    "cpf in a word": lambda p: f"cliente_{p.cpf}_x",
    "cpf split by letters": lambda p: f"a{p.cpf[:4]}b{p.cpf[4:8]}c{p.cpf[8:]}",
    "cpf fullwidth": lambda p: p.cpf.translate(FULLWIDTH),
    "cpf arabic": lambda p: p.cpf.translate(ARABIC),
    "cpf in percents": lambda p: "".join(f"%{ord(d):02x}" for d in p.cpf),
    "cpf as entities": lambda p: "".join(f"&#{ord(d)};" for d in p.cpf),
    "email": lambda p: p.email,
    "email in percents": lambda p: p.email.replace("@", "%40"),
    "email fullwidth": lambda p: p.email.translate(FULLWIDTH),
    "phone": lambda p: f"+55 ({p.phone[:2]}) {p.phone[2:7]}-{p.phone[7:]}",
    "phone plain": lambda p: p.phone,
    "name": lambda p: p.name,
    "name upper": lambda p: p.name.upper(),
    "name snake": lambda p: f"{plain(p.given)}_{plain(p.surname)}".lower(),
    "name camel": lambda p: f"{plain(p.given)}{plain(p.surname)}",
    "name joined": lambda p: f"{plain(p.given)}{plain(p.surname)}".lower(),
    "name with a quote": lambda p: f'{p.given} "Zé" {p.surname}',
    "name over lines": lambda p: f"{p.given}\n{p.surname}",
    "name and cpf": lambda p: f"{p.name}, {p.formatted}",
})  # fmt: skip

# `{q}`: the value in a literal, `{i}` in a quoted identifier, `{w}` bare, `{n}` as a number; around it is
# what applications send.
DO, END = "DO $r$ BEGIN ", " END $r$"
SQL = MappingProxyType({
    "literal": "SELECT {q}::text",
    "cast to integer": "SELECT {q}::int",
    "cast to date": "SELECT {q}::date",
    "cast to json": "SELECT {q}::json",
    "cast of a json object": "SELECT ('{{\"nome\": \"' || {q} || '\", }}')::jsonb",
    "cast to an array": "SELECT ('{{{{' || {q})::text[]",
    "cast to integers": "SELECT ARRAY[{q}]::int[]",
    "cast to a range": "SELECT ('[' || {q})::int4range",
    "cast to uuid": "SELECT {q}::uuid",
    "cast to inet": "SELECT {q}::inet",
    "cast to interval": "SELECT {q}::interval",
    "cast to boolean": "SELECT {q}::boolean",
    "cast to money": "SELECT {q}::money",
    "cast to bytea": "SELECT ('\\x' || {q})::bytea",
    "cast to a query": "SELECT ({q} || ' & & ')::tsquery",
    "cast to xml": "SELECT ('<' || {q})::xml",
    "cast to regclass": "SELECT {q}::regclass",
    "cast to regrole": "SELECT {q}::regrole",
    "cast to a path": "SELECT ({q} || '$[[')::jsonpath",
    "to_date": "SELECT to_date({q}, 'YYYY-MM-DD')",
    "to_number": "SELECT to_number({q}, '999')",
    "regular expression": "SELECT 'x' ~ ('(' || {q})",
    "like with an escape": "SELECT 1 FROM customers WHERE full_name LIKE {q} ESCAPE '\\' AND city = {q}",
    "escape string": "SELECT E'a\\'b' || {q} || E'\\n'",
    "unicode string": "SELECT U&'\\0041' || {q}",
    "national string": "SELECT N'x' || {q}",
    "dollar quotes": "SELECT $${w}$$::int",
    "tagged dollar quotes": "SELECT $x1${w}$x1$::int",
    "nested dollar quotes": "SELECT $a$ $$ {w} $$ $a$::int",
    "bit string": "SELECT B{q}",
    "hexadecimal string": "SELECT X{q}",
    "number": "SELECT {n} / 0",
    "number in a condition": "SELECT 1 FROM customers WHERE customer_id = {n}",
    "parameter": "SELECT ${n}",
    "unterminated string": "SELECT 1 FROM customers WHERE full_name = '{w}",
    "missing quote": "SELECT 1 FROM customers WHERE full_name = {w}' AND city = 'x'",
    "unterminated identifier": 'SELECT "{w}',
    "unterminated dollars": "SELECT $q${w}",
    "unterminated comment": "SELECT 1 /* {w}",
    "bare words": "SELECT {w} FROM customers",
    "bare condition": "SELECT 1 FROM customers WHERE full_name = {w}",
    "no statement": "{w}",
    "comment": "/* {c} */ SELECT 1/0",
    "comment at the end": "SELECT 1/0 -- {l}",
    "comment of a tracer": "/*ddps='{l}',dde='{l}',ddpv='{l}'*/ SELECT 1/0 /*service='{l}',statement='{l}'*/",
    "column": "SELECT {i} FROM customers",
    "qualified column": "SELECT c.{i} FROM customers c",
    "relation": "SELECT 1 FROM {i}",
    "schema": "SELECT 1 FROM {i}.customers",
    "function": "SELECT {i}(1)",
    "type": "SELECT 1::{i}",
    "alias": "SELECT 1/0 AS {i}",
    "table alias": "SELECT 1 FROM customers AS {i} WHERE city = 'x'",
    "common table": "WITH {i} AS MATERIALIZED (SELECT generate_series(1, 9) AS n) SELECT count(*) FROM {i}",
    "two common tables": "WITH a AS MATERIALIZED (SELECT 1 AS n), {i} AS MATERIALIZED (SELECT n FROM a)"
                         " SELECT * FROM {i} JOIN a USING (n)",
    "escaped identifier": "SELECT U&{i} FROM customers",
    "values": "SELECT * FROM (VALUES ({q}, 1), ({q}, 2)) AS v(a, b) ORDER BY a",
    "duplicate key": "INSERT INTO customers (cpf, full_name, email, phone, birth_date, city, state,"
                     " monthly_income)"
                     " SELECT '52998224725', {q}, {q}, '1', '1980-01-02', 'c', 'SP', 1"
                     " FROM generate_series(1, 2)",
    "not null": "INSERT INTO customers (full_name) VALUES ({q})",
    "too long": "INSERT INTO customers (cpf, full_name) VALUES (repeat({q}, 9), {q})",
    "missing key": "INSERT INTO credit_proposals (customer_id, product_id, requested_amount,"
                   " requested_installments)"
                   " SELECT 0, 0, length({q}), 1",
    "raise": DO + "RAISE '%', {q};" + END,
    "raise with a code": DO + "RAISE '%', {q} USING ERRCODE = '23505';" + END,
    "raise like a server": DO + "RAISE 'relation \"%\" does not exist', {q} USING ERRCODE = '42P01';" + END,
    "raise a unique violation": DO + "RAISE unique_violation USING MESSAGE = {q}, DETAIL = {q};" + END,
    "raise a deadlock": DO + "RAISE 'deadlock detected' USING ERRCODE = '40P01', DETAIL ="
                        " 'Process 1 waits for ShareLock on ' || {q} || '; blocked by process 2.';" + END,
    "raise a constraint": DO + "RAISE 'x' USING ERRCODE = '23514', CONSTRAINT = {q}, TABLE = {q};" + END,
    "assert": DO + "ASSERT false, {q};" + END,
    "log a duration": DO + "RAISE LOG 'duration: 5.000 ms  statement: SELECT %', {q};" + END,
    "log a plan": DO
    + "RAISE LOG 'duration: 5.000 ms  plan:\n{{\"Plan\": {{\"Alias\": \"%\"}}}}', {q};" + END,
    "log a lock wait": DO
    + "RAISE LOG 'process 1 still waiting for ShareLock on % after 5.000 ms', {q};" + END,
    "log an autovacuum": DO
    + "RAISE LOG E'automatic analyze of table \"%\"\\nsystem usage: x', {q};" + END,
    "log a checkpoint": DO + "RAISE LOG 'database system is ready to accept connections %', {q};" + END,
    "function body": "CREATE FUNCTION f_{u}() RETURNS int LANGUAGE sql AS 'SELECT length({qq})'",
    "dynamic": DO + "EXECUTE 'SELECT ' || quote_literal({q}) || '::int';" + END,
    "dynamic without quotes": DO + "EXECUTE 'SELECT ' || {q};" + END,
    "setting": "SELECT set_config('application_name', {q}, false), 1/0",
    "custom setting": "SET my.customer = {q}",
    "unknown setting": "SET {i} = 1",
    "statement time-out": "SET statement_timeout = {q}",
    "prepared": "PREPARE {i} AS SELECT 1; EXECUTE {i}(1)",
    "cursor": "FETCH {i}",
    "savepoint": "ROLLBACK TO SAVEPOINT {i}",
    "channel": "NOTIFY {i}, {q}",
    "advisory lock": "SELECT pg_advisory_xact_lock({n})",
    "created table": "CREATE TABLE {i} (a int CONSTRAINT {i} CHECK (a > 0)); INSERT INTO {i} VALUES (0)",
    "unique index": "CREATE TABLE t_{u} (a int); CREATE UNIQUE INDEX {i} ON t_{u} (a);"
                    " INSERT INTO t_{u} VALUES (1), (1)",
    "partition": "CREATE TABLE p_{u} (a int) PARTITION BY LIST (a);"
                 " CREATE TABLE {i} PARTITION OF p_{u} FOR VALUES IN (1); SELECT * FROM p_{u}",
    "default": "CREATE TABLE d_{u} (a text DEFAULT {q}, {i} text)",
    "comment on": "COMMENT ON TABLE customers IS {q}",
    "copy as one text": "COPY customers (cpf) FROM STDIN;\n{w}\t1\n\\.\n",
    "explain": "EXPLAIN SELECT 1 FROM customers WHERE full_name = {q}",
    "index condition": "SELECT 1 FROM customers WHERE cpf = {q}",
    "case": "SELECT CASE WHEN full_name = {q} THEN 1 ELSE 2 END FROM customers",
    "role": "CREATE ROLE {i} LOGIN PASSWORD {q}",
    "missing role": "DROP ROLE {i}",
    "missing database": "DROP DATABASE {i}",
    "drop missing column": "ALTER TABLE customers DROP COLUMN {i}",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One combination; `planted` is what is written in its place."""

    place: str
    spelling: str
    person: Person

    @property
    def planted(self) -> str:
        return SPELLINGS[self.spelling](self.person)

    @property
    def values(self) -> list[str]:
        """What must be found nowhere: the value as planted, and what could be read back from parts of it."""
        person = self.person
        all_ = [self.planted, person.cpf, person.formatted, person.email, person.phone]
        if self.spelling.startswith(("name", "email")):
            all_ += [
                person.name,
                f"{plain(person.given)}{plain(person.surname)}",
                person.given,
                person.surname,
            ]
        return all_

    def sql(self, unique: int) -> str:
        """Return the statement of a place of SQL."""
        value = self.planted
        quoted = "'" + value.replace("'", "''") + "'"
        return SQL[self.place].format(
            q=quoted,
            qq=quoted.replace("'", "''"),
            i='"' + value.replace('"', '""') + '"',
            w=value,
            c=value.replace("*/", ""),
            l=value.replace("\n", " ").replace("'", ""),
            n=self.person.cpf,
            u=unique,
        )


def persons(rng: random.Random) -> Iterator[Person]:
    """Yield persons, none twice, whose names stand for a person wherever they stand."""
    known = people()
    firsts, lasts = name_pools()
    given = [n for n in firsts if len(n) >= LEAST_NAME and plain(n).lower() in known]
    surnames = [n for n in lasts if len(n) >= LEAST_NAME and plain(n).lower() in known]
    while True:
        yield Person(
            cpf=cpf.from_base(rng.randrange(100_000_000, cpf.BASES)),
            given=rng.choice(given),
            surname=rng.choice(surnames),
            phone=f"{rng.choice((11, 21, 31, 41, 51))}9{rng.randrange(10**7, 10**8)}",
        )


def combinations(places: Sequence[str], *, seed: int, most: int) -> list[Technique]:
    """Return techniques, all that there are or a sample; a sample has every place and every spelling."""
    rng = random.Random(seed)
    of = persons(rng)
    spellings = list(SPELLINGS)
    pairs = [(place, spelling) for place in places for spelling in spellings]
    if len(pairs) > most:
        # Each place with a few spellings, in turn, from another start at each place.
        each = max(most // len(places), 1)
        pairs = [
            (place, spellings[(start + step) % len(spellings)])
            for place in places
            for start in (rng.randrange(len(spellings)),)
            for step in range(0, each * 7, 7)
        ]
    return [Technique(place=a, spelling=b, person=p) for (a, b), p in zip(pairs, of, strict=False)]
