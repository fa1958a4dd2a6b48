"""The rule for names: what stays readable, what becomes a hash, and that different names stay different."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation import clock
from lab.seed.people import name_pools
from lab.telemetry import redact
from lab.telemetry.intake import STREAMS
from lab.telemetry.pglog import parse, records_of
from lab.telemetry.redact import key, names
from lab.telemetry.redact.messages import error_message
from lab.telemetry.store import QueryMetrics, Snapshot

HARMLESS = [
    "tenant_10001", "tenant_10002", "tenant_a", "loja_são", "vendas_20261101", "vendas_2026_11_01",
    "vendas_p2026_11", "p20261101_20261201", "log_20261128_1200", "credit_app", "customers_cpf_key",
    "pg_stat_statements", "creditdb.public.audit_log", "datadog-embedded-agent", "ip-10-0-12-34",
    "172.31.255.101", "credit-app-7d9f8b6c5d-x2x4z", "OrderItems", "createdAt", "customerId",
    "usuario_endereco", "sales", "dias", "campos", "clientes", "contratos", "parcelas", "valor",
    "faturamento", "MariaDB", "psycopg2", "v-token-app", "/customers/<int:id>",
    "5930500ad4514dc488dc323f054c2c9a",
]  # fmt: skip
HARMLESS_WORDS = [
    "credit-lab probe", "PostgreSQL JDBC Driver", "DBeaver 23.1.0 - Main <creditdb>",
    "pgAdmin 4 - DB:creditdb",
    "client backend", "idle in transaction (aborted)", "logical replication launcher", "Index Only Scan",
    "InitPlan 1 (returns $0)", "Metabase v0.47", "timestamp with time zone",
]  # fmt: skip
PERSONAL = [
    "39053344705", "390.533.447-05", "390_533_447_05", "a390b533c447d05", "３９０５３３４４７０５",  # noqa: RUF001
    "maria@example.com", "maria%40example.com", "MariaDaSilva", "maria_silva", "mariasilva", "msilva",
    "joao.santos", "Marilda_Sigilosa", "Marilda Sigilosa", "tel_11987654321", "(11)98765-4321",
    "cliente_19800102", "João", "203.0.113.80", "x\u200b39053344705", "Maria (at) example (dot) com",
    "tres_nove_zero_cinco_tres_tres_quatro_quatro_sete_zero_cinco", "&#51;&#57;&#48;", "Иван",
]  # fmt: skip


@pytest.mark.parametrize("name", [*HARMLESS, *HARMLESS_WORDS])
def test_harmless_names_stay(name: str) -> None:
    """Names of databases, partitions, roles, routes and applications are stored as they are."""
    assert redact.label(name) == name


@pytest.mark.parametrize("name", PERSONAL)
def test_personal_names_become_a_hash(name: str) -> None:
    """Numbers, addresses and people's names are replaced in every spelling, the same way each time."""
    hashed = redact.label(name)
    assert hashed == redact.hashed(name) != name
    assert hashed is not None
    assert names.FORM.fullmatch(hashed)
    assert redact.label(hashed) == hashed


def test_names_that_differ_stay_different() -> None:
    """Hashing collapses nothing; roles of a vault keep what is not random."""
    roles = [f"v-token-app-{'8fJx2kQ9dL3mN7pR5sT'}{n}-179586047{n}" for n in range(9)]
    stored = {redact.label(role) for role in roles}
    assert len(stored) == len(roles)
    assert all(str(role).startswith("v-token-app-redacted_") for role in stored)
    assert len({redact.label(name) for name in PERSONAL}) == len(PERSONAL)


@given(st.text(max_size=40))
def test_a_second_redaction_changes_nothing(name: str) -> None:
    """What was redacted by an agent is taken as it is by the intake."""
    once = redact.label(name)
    assert redact.label(once) == once


def test_every_customer_of_the_lab_is_a_person() -> None:
    """No full name of a customer passes, whatever stands between its words."""
    given_names, surnames = map(sorted, name_pools())
    passed = [
        name
        for first in given_names
        for last in surnames[:: len(surnames) // 7]
        for name in (f"{first} {last}", f"{first}_{last}", f"{first}{last}")
        if redact.is_harmless(name)
    ]
    assert passed == []


def test_the_key_is_the_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of one lab hash alike; the key is its owner's file, made again when it is damaged."""
    monkeypatch.setattr(key, "_key", key.current())
    path = tmp_path / "store" / "names.key"
    redact.use_file(path, make=False)
    assert not path.exists()
    redact.use_file(path)
    first = redact.label("39053344705")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setattr(key, "_key", b"another")
    assert redact.label("39053344705") != first
    redact.use_file(path, make=False)
    assert redact.label("39053344705") == first
    path.write_bytes(b"torn")
    redact.use_file(path)
    assert redact.label("39053344705") != first
    assert [file.name for file in path.parent.iterdir()] == ["names.key"]


def test_four_databases_with_one_signature_are_four_rows() -> None:
    """The deltas of four databases are stored with the databases' names (pganalyze-like tenants)."""
    databases = ["tenant_10001", "tenant_10002", "loja_são", "tenant_a"]
    row = {"query_signature": "aa11bb22cc33dd44", "rolname": "app", "query": "SELECT 1", "calls": 1}
    event = {
        "host": "db-a",
        "timestamp": clock.now_ns() / 1e6,
        "postgres_rows": [{**row, "datname": name} for name in databases],
    }
    found = STREAMS["/api/v2/dbmmetrics"].decode(json.dumps([event]).encode()).records
    assert [r.database for r in found if isinstance(r, QueryMetrics)] == databases


def test_partitions_and_equal_names_are_tables_of_their_own() -> None:
    """Tables are kept by database and oid: partitions by day, and tables whose names are hashed."""
    tables = [
        {"id": str(16000 + n), "name": name, "columns": []}
        for n, name in enumerate(
            ["vendas_20261101", "vendas_20261102", "maria_silva", "joao_souza"]
        )
    ]
    event = {
        "host": "h", "timestamp": clock.now_ns() / 1e6, "kind": "pg_databases",
        "metadata": [{"name": "d", "schemas": [{"name": "public", "tables": tables}]}],
    }  # fmt: skip
    found = STREAMS["/api/v2/dbmmetadata"].decode(json.dumps([event]).encode()).records
    snapshots = [s for s in found if isinstance(s, Snapshot)]
    assert [s.kind for s in snapshots] == [f"table d.{16000 + n}" for n in range(4)]
    assert [json.loads(s.payload)["name"] for s in snapshots][:2] == [
        "vendas_20261101",
        "vendas_20261102",
    ]
    assert len({json.loads(s.payload)["name"] for s in snapshots}) == 4


def test_settings_are_values_not_statements() -> None:
    """Integers of any size stay numbers; what a DBA may write is a name."""
    settings = {"work_mem": "524288", "autovacuum_freeze_max_age": "200000000",
                "search_path": '"$user", public',
                "cluster_name": "39053344705", "max_wal_size": "2147483647"}  # fmt: skip
    event = {
        "host": "h", "timestamp": clock.now_ns() / 1e6, "kind": "pg_settings",
        "metadata": [{"name": n, "setting": s} for n, s in settings.items()],
    }  # fmt: skip
    (found,) = STREAMS["/api/v2/dbmmetadata"].decode(json.dumps([event]).encode()).records
    assert isinstance(found, Snapshot)
    assert json.loads(found.payload) == {**settings, "cluster_name": redact.hashed("39053344705")}


# Enough that a quadratic expression exceeds the time limit.
LENGTH = 250_000
PIECES = ["a", "a='", "a=\\'", "/*", "--", "'", "''", "E'\\'", '"', "$a$", "$", "a$", "1e+", "\\",
          "e'' --\n", "_A",
          " a", ". ", "Process 1: ", "20261101", "0", "-", "(", "a.b", "/a", "%"]  # fmt: skip


def _line(message: str, **fields: str) -> bytes:
    line = {"timestamp": "2026-11-21 20:54:41.123 UTC", "pid": 1, "error_severity": "LOG",
            "backend_type": "client backend", "message": message}  # fmt: skip
    return json.dumps({**line, **fields}).encode()


READERS: dict[str, Callable[[str], object]] = {
    "statement": redact.statement,
    "comments": lambda text: redact.comments([text]),
    "label": redact.label,
    "message": lambda text: error_message(text, "XX000", text),
    "resource": lambda text: redact.resource(f"GET /{text}", "web", {}),
    "tag": lambda text: redact.tag("http.route", text),
    "lock wait": lambda text: records_of(parse(_line(f"process 1 still waiting for {text}"))),
    "checkpoint": lambda text: records_of(
        parse(_line(f"checkpoint complete: wrote 1 buffers{text}", backend_type="checkpointer"))
    ),
    "autovacuum": lambda text: records_of(
        parse(_line(f'automatic vacuum of table "{text}', backend_type="autovacuum worker"))
    ),
    "execution": lambda text: records_of(parse(_line(f"duration: 1.000 ms  execute {text}"))),
    "deadlock": lambda text: records_of(
        parse(
            _line("deadlock detected", error_severity="ERROR", state_code="40P01", detail=text, context=text)
        )
    ),
}  # fmt: skip


@pytest.mark.timeout(200)
@pytest.mark.parametrize("reader", READERS)
def test_long_text_is_read_in_linear_time(reader: str) -> None:
    """Each expression that meets outside text ends on repeated pieces; a quadratic one would not end."""
    for piece in PIECES:
        READERS[reader]((piece * (LENGTH // len(piece) + 1))[:LENGTH])
