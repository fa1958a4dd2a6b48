"""CPU time, memory and bytes of the benchmark's server, by counters of the kernel and of PostgreSQL.

CPU time hardly depends on other load of the machine; throughput and latency do.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings

NS, MB = 1e9, 1e6
# The first word behind "postgres:" of the processes that execute statements starts with none of these.
BACKGROUND = (
    "checkpointer",
    "background writer",
    "walwriter",
    "logger",
    "autovacuum",
    "logical replication",
    "startup",
)
COUNTERS = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'),
    (SELECT count(*) FROM pg_stat_statements),
    (SELECT sum(length(query)) FROM pg_stat_statements)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The server's counters at one moment.

    Attributes:
        backends_s: CPU time of the backends, in seconds, those that have ended included.
        background_s: of the postmaster, checkpointer, background writer, WAL writer, logger and autovacuum.
        memory_mb: proportional set size of all its processes.
        wal_bytes: written to the WAL.
        log_bytes: size of the server log.
        entries, text_bytes: entries of pg_stat_statements, and the length of their texts.
    """

    backends_s: float
    background_s: float
    memory_mb: float
    wal_bytes: float
    log_bytes: float
    entries: int
    text_bytes: int


def usage(settings: LabSettings) -> Usage:
    """Read the counters of the benchmark's server.

    Raises:
        DatabaseError: the server does not answer.
    """
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        [[wal, entries, text]] = rows(connection, COUNTERS)
    postmaster = postmaster_of(settings)
    spent = {False: 0.0, True: 0.0}
    memory = 0.0
    for process in (postmaster, *postmaster.children()):
        with suppress(psutil.Error, FileNotFoundError):
            spent[is_background(process.cmdline()[0])] += cpu_s(process.pid)
            memory += process.memory_full_info().pss / MB
    ended = postmaster.cpu_times()
    return Usage(
        backends_s=spent[False] + ended.children_user + ended.children_system,
        background_s=spent[True],
        memory_mb=memory,
        wal_bytes=float(wal),
        log_bytes=float(sum(file.stat().st_size for file in _logs(settings))),
        entries=entries,
        text_bytes=int(text or 0),
    )


def postmaster_of(settings: LabSettings) -> psutil.Process:
    """Return the server's first process, by the file postmaster.pid."""
    file = Paths.of(settings).postgres / "data" / "postmaster.pid"
    return psutil.Process(int(file.read_text(encoding="ascii").split()[0]))


def is_background(title: str) -> bool:
    """Whether a process title is not that of a backend.

    >>> is_background("postgres: checkpointer "), is_background("/usr/bin/postgres")
    (True, True)
    >>> is_background("postgres: credit_app creditdb 127.0.0.1(40000) idle")
    False
    """
    of, _, what = title.partition(": ")
    return not of.startswith("postgres") or what.startswith(BACKGROUND)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process in seconds, to the nanosecond where the kernel counts so."""
    with suppress(FileNotFoundError):
        text = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
        if nanoseconds := int(text.split()[0]):
            return nanoseconds / NS
    return float(sum(psutil.Process(pid).cpu_times()[:2]))


def _logs(settings: LabSettings) -> Iterator[Path]:
    folder = settings.postgres_log_dir or Paths.of(settings).postgres / "data" / "log"
    yield from (file for file in folder.glob("*") if file.is_file())
