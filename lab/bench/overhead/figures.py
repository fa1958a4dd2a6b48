"""One turn of the load, and the cost of a mode: the difference of its turns to the unobserved ones."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median, quantiles

from lab.bench.load.job import Done
from lab.bench.overhead.ratios import Estimate, difference, ratio
from lab.bench.overhead.usage import Usage

US, MS = 1e6, 1e3
LATENCIES = ("p50_ms", "p99_ms")
# Gauges, as the others are per operation.
MEMORY = ("server_mb", "client_mb")


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """The load in one turn. CPU time and bytes are per operation, CPU time in microseconds.

    Attributes:
        operations_per_s, statements: rate, and statements per operation.
        p50_ms, p99_ms: of whole operations.
        client_us: of the load's processes.
        backends_us: of all backends, the observers' included.
        background_us: of checkpointer, background writer, WAL writer, logger, autovacuum and postmaster.
        wal_bytes, log_bytes: on disk.
        sent_bytes: payloads of agent and tracers, and pages of the exporter.
        server_mb, client_mb: memory at the end of the turn: proportional set size, resident set size.
        scrapes: of the exporter, in the whole turn.
        entries, text_bytes: of pg_stat_statements at the end, reset at the start.
    """

    operations_per_s: float
    statements: float
    p50_ms: float
    p99_ms: float
    client_us: float
    backends_us: float
    background_us: float
    wal_bytes: float
    log_bytes: float
    sent_bytes: float
    server_mb: float
    client_mb: float
    scrapes: float = 0.0
    entries: float = 0.0
    text_bytes: float = 0.0

    @property
    def cpu_us(self) -> float:
        """CPU time of client and server per operation."""
        return self.client_us + self.server_us

    @property
    def server_us(self) -> float:
        """CPU time of the server per operation."""
        return self.backends_us + self.background_us


FIGURES = tuple(field.name for field in fields(Turn))
DIFFERENCES = tuple(name for name in FIGURES if name not in {"operations_per_s", *LATENCIES})


def turn_of(
    done: Sequence[Done],
    before: Usage,
    after: Usage,
    *,
    sent_bytes: float,
    client_mb: float,
    scrapes: int,
) -> Turn:
    """Return the figures of a turn from the results of its processes and two readings of the server."""
    operations = sum(one.operations for one in done)
    percentiles = quantiles((one for part in done for one in part.durations), n=100)
    return Turn(
        operations_per_s=sum(one.operations / one.seconds for one in done),
        statements=sum(one.statements for one in done) / operations,
        p50_ms=percentiles[49] * MS,
        p99_ms=percentiles[98] * MS,
        client_us=US * sum(one.cpu_seconds for one in done) / operations,
        backends_us=US * (after.backends_s - before.backends_s) / operations,
        background_us=US * (after.background_s - before.background_s) / operations,
        wal_bytes=(after.wal_bytes - before.wal_bytes) / operations,
        log_bytes=(after.log_bytes - before.log_bytes) / operations,
        sent_bytes=sent_bytes / operations,
        server_mb=after.memory_mb,
        client_mb=client_mb,
        scrapes=scrapes,
        entries=after.entries,
        text_bytes=after.text_bytes,
    )


def typical(turns: Sequence[Turn]) -> Turn:
    """Return the medians of the figures."""
    return Turn(**{name: median(getattr(turn, name) for turn in turns) for name in FIGURES})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """A mode compared with the unobserved turns of the same rounds.

    Attributes:
        cpu_us, server_us: additional CPU time per operation: client and server, and the server's.
        cpu_share, server_share: the same as a share of the unobserved operation's, 0.01 is one per cent.
        ratios: of rate and latencies.
        differences: of all other figures, by name.
    """

    cpu_us: Estimate
    server_us: Estimate
    cpu_share: Estimate
    server_share: Estimate
    ratios: dict[str, Estimate]
    differences: dict[str, Estimate]

    @property
    def is_exact(self) -> bool:
        """Whether the interval of the CPU time is narrower than 1 % of an operation's."""
        low, high = self.cpu_share.low, self.cpu_share.high
        return low is not None and high is not None and high - low < EXACT


# The width of an interval at which the measurement ends.
EXACT = 0.01


def cost(turns: Sequence[Turn], unobserved: Sequence[Turn]) -> Cost:
    """Return the cost of a mode from the turns of the same rounds."""
    pairs = list(zip(turns, unobserved, strict=True))

    def more(name: str) -> list[float]:
        return [getattr(one, name) - getattr(other, name) for one, other in pairs]

    def share(name: str) -> Estimate:
        whole = median(getattr(other, name) for other in unobserved)
        return difference([one / whole for one in more(name)])

    return Cost(
        cpu_us=difference(more("cpu_us")),
        server_us=difference(more("server_us")),
        cpu_share=share("cpu_us"),
        server_share=share("server_us"),
        ratios={
            name: ratio([getattr(one, name) / getattr(other, name) for one, other in pairs])
            for name in ("operations_per_s", *LATENCIES)
        },
        differences={name: difference(more(name)) for name in DIFFERENCES},
    )
