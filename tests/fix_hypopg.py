"""HypoPG in a test's database: Debian's package, unpacked; its functions are created without an extension.

The server under test may be installed in a directory of the system, where no test writes.
"""

import shutil
from pathlib import Path

import pytest

from lab.clients.database import Role, rows
from lab.foundation.debian import fetch
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import ROOT
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database

LIBRARY = "$libdir/hypopg"
GRANTS = "WHERE to_regnamespace('hypopg') IS NOT NULL"


@pytest.fixture(scope="session")
def hypopg() -> Path:
    """The root of the unpacked package."""
    return fetch(("postgresql-15-hypopg",), release="bookworm", into=PACKAGES / "hypopg-15")


@pytest.fixture
def with_hypopg(database: Database, cluster: Cluster, hypopg: Path) -> Database:
    """A database with HypoPG's functions, and with the privileges of postgres/init."""
    copy = cluster.data / "hypopg.so"
    shutil.copyfile(hypopg / "usr/lib/postgresql/15/lib/hypopg.so", copy)
    copy.chmod(0o755)
    [script] = (hypopg / "usr/share/postgresql/15/extension").glob("hypopg--*.sql")
    lines = script.read_text(encoding="utf-8").splitlines()
    body = "\n".join(line for line in lines if not line.startswith("\\"))
    with database.connect(Role.SUPERUSER) as connection:
        # The directory as the server names it.
        [[data]] = rows(connection, "SELECT current_setting('data_directory')")
        rows(connection, "CREATE SCHEMA hypopg; SET search_path = hypopg, pg_catalog")
        rows(connection, body.replace(LIBRARY, f"{data}/{copy.name}"))
        for [statement] in rows(connection, _grants()):
            rows(connection, statement)
    return database


def _grants() -> str:
    """The statement of postgres/init that returns the privileges; psql executes each of its columns."""
    text = (ROOT / "postgres/init/30-observability.sql").read_text(encoding="utf-8")
    [select] = [part for part in text.split("\\gexec") if GRANTS in part]
    columns = select.strip().removeprefix("SELECT").partition("WHERE")[0]
    return f"SELECT unnest(ARRAY[{columns}])"
