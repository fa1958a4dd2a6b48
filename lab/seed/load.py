"""Loads all rows into empty tables in one transaction, in parallel with generating them.

Python generates a block while PostgreSQL loads the previous one, in a thread that mostly waits for the
server. The main thread handles Ctrl-C, which cancels the running statement.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from lab.clients.database import Connection, cancel, copy, rows
from lab.seed.batches import COLUMNS, Batch
from lab.seed.constraints import drop_keys_and_indexes
from lab.seed.progress import Progress, Report, Step

# One session sorts some hundred thousand keys; the server's default is for many sessions.
_BUILD_MEMORY = "SET LOCAL maintenance_work_mem = '256MB'"
_CANCEL_AGAIN_S = 0.2


def load(
    connection: Connection, blocks: Iterable[list[Batch]], *, expected_rows: int, report: Report
) -> Counter[str]:
    """Fill the seeded tables; return the number of rows of each. The caller commits.

    Args:
        connection: a session in a transaction, of the role that owns the tables, all empty.
        blocks: the rows; ids ascend from 1 without gaps in every table.
        expected_rows: an estimate, for progress.
        report: called on the calling thread.

    Raises:
        DatabaseError: when PostgreSQL refuses a statement.
    """
    with _beside(connection) as server:
        # Truncated in this transaction, so that COPY can write frozen rows, which vacuum need not visit.
        server.submit(rows, connection, f"TRUNCATE {', '.join(COLUMNS)}").result()
        create_again = server.submit(drop_keys_and_indexes, connection, tuple(COLUMNS)).result()
        loaded: Counter[str] = Counter()
        copying: Future[None] = server.submit(_copy, connection, [])
        for block in blocks:
            copying.result()
            report(Progress(step=Step.ROWS, done=loaded.total(), total=expected_rows))
            copying = server.submit(_copy, connection, block)
            loaded.update({batch.table: batch.rows for batch in block})
        copying.result()
        report(Progress(step=Step.ROWS, done=loaded.total(), total=loaded.total()))
        finish = [_BUILD_MEMORY, *create_again, *_restarts(loaded)]
        for done, statement in enumerate(finish, start=1):
            server.submit(rows, connection, statement).result()
            report(Progress(step=Step.INDEXES, done=done, total=len(finish)))
    return loaded


@contextmanager
def _beside(connection: Connection) -> Iterator[ThreadPoolExecutor]:
    """Yield an executor of one thread for the connection; an exception cancels the running statement."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="seed") as thread:
        try:
            yield thread
        except BaseException:
            idle = thread.submit(int)
            while not idle.done():
                # Repeated: a request may arrive just before the statement that it is to cancel.
                cancel(connection)
                wait([idle], timeout=_CANCEL_AGAIN_S)
            raise


def _copy(connection: Connection, block: list[Batch]) -> None:
    for batch in block:
        copy(connection, f"{batch.table} ({COLUMNS[batch.table]})", batch.text, freeze=True)


def _restarts(loaded: Counter[str]) -> Iterator[str]:
    """Yield statements that continue each identity after the seeded ids; a rollback reverts ALTER TABLE."""
    for table, columns in COLUMNS.items():
        if table != "credit_products":
            identity = columns.partition(",")[0]
            yield f"ALTER TABLE {table} ALTER COLUMN {identity} RESTART WITH {loaded[table] + 1}"
