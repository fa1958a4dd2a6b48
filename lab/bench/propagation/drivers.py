"""The drivers as their manuals use them; a process of the benchmark imports one of them.

Each is imported after ddtrace has patched it. Rows are fetched, transactions are the statements themselves. A
PgBouncer in transaction mode without prepared statements requires psycopg 3 and asyncpg to prepare none.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol

from ddtrace.trace import tracer

from lab.bench.propagation.cells import ASYNCPG, PSYCOPG2, PSYCOPG3, SQLALCHEMY, STATEMENTS, Address

OPERATION = "bench.operation"


class Session(Protocol):
    """One connection."""

    def run(self, keys: Sequence[int]) -> list[float]:
        """Run each statement for each key within a root span; return the seconds of each execution."""


class _Blocking:
    """A connection of a driver whose calls block."""

    def __init__(self, execute: Callable[[Any, int], object], statements: Sequence[Any]) -> None:
        self._execute = execute
        self._statements = statements

    def run(self, keys: Sequence[int]) -> list[float]:
        taken = []
        for key in keys:
            with tracer.trace(OPERATION):
                for statement in self._statements:
                    begun = perf_counter()
                    self._execute(statement, key)
                    taken.append(perf_counter() - begun)
        return taken


class _Asyncpg:
    """A connection of asyncpg, with an event loop of its own."""

    def __init__(self, address: Address) -> None:
        import asyncpg  # noqa: PLC0415 - after it was patched

        self._loop = asyncio.new_event_loop()
        options = {} if address.prepared else {"statement_cache_size": 0}
        self._connection = self._loop.run_until_complete(
            asyncpg.connect(
                host=address.host, port=address.port, user=address.user, ssl=False,
                password=address.password, database=address.database, **options,
            )
        )  # fmt: skip
        self._statements = [text.format(key="$1") for text in STATEMENTS]

    def run(self, keys: Sequence[int]) -> list[float]:
        return self._loop.run_until_complete(self._run(keys))

    async def _run(self, keys: Sequence[int]) -> list[float]:
        taken = []
        for key in keys:
            with tracer.trace(OPERATION):
                for statement in self._statements:
                    begun = perf_counter()
                    await self._connection.fetch(statement, key)
                    taken.append(perf_counter() - begun)
        return taken


def _psycopg2(address: Address) -> Session:
    import psycopg2  # noqa: PLC0415 - after it was patched

    connection = psycopg2.connect(**_libpq(address))
    connection.autocommit = True

    def execute(statement: str, key: int) -> object:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"key": key})
            return cursor.fetchall()

    return _Blocking(execute, [text.format(key="%(key)s") for text in STATEMENTS])


def _psycopg3(address: Address) -> Session:
    import psycopg  # noqa: PLC0415 - after it was patched

    connection = psycopg.connect(**_libpq(address), autocommit=True)
    if not address.prepared:
        connection.prepare_threshold = None

    def execute(statement: str, key: int) -> object:
        with connection.cursor() as cursor:
            return cursor.execute(statement, {"key": key}).fetchall()

    return _Blocking(execute, [text.format(key="%(key)s") for text in STATEMENTS])


def _sqlalchemy(address: Address) -> Session:
    import sqlalchemy  # noqa: PLC0415 - after it was patched

    url = sqlalchemy.URL.create(
        "postgresql+psycopg2", username=address.user, password=address.password, host=address.host,
        port=address.port, database=address.database,
    )  # fmt: skip
    connection = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT").connect()

    def execute(statement: Any, key: int) -> object:
        return connection.execute(statement, {"key": key}).fetchall()

    return _Blocking(execute, [sqlalchemy.text(text.format(key=":key")) for text in STATEMENTS])


def _libpq(address: Address) -> dict[str, Any]:
    return {
        "host": address.host, "port": address.port, "dbname": address.database, "user": address.user,
        "password": address.password, "sslmode": "disable",
    }  # fmt: skip


# The integrations of ddtrace that each needs, and how it connects. SQLAlchemy is used on psycopg2.
INTEGRATIONS = {
    PSYCOPG2: ("psycopg",),
    PSYCOPG3: ("psycopg",),
    ASYNCPG: ("asyncpg",),
    SQLALCHEMY: ("sqlalchemy", "psycopg"),
}
CONNECT: dict[str, Callable[[Address], Session]] = {
    PSYCOPG2: _psycopg2,
    PSYCOPG3: _psycopg3,
    ASYNCPG: _Asyncpg,
    SQLALCHEMY: _sqlalchemy,
}
