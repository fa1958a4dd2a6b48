"""The observers of a turn, and the order of the turns in a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.telemetry.store.senders import EMBEDDED_LABEL

SCRAPE_EVERY_S = 10.0
# Active in every turn, also in the unobserved one: disabling it needs a restart.
ALWAYS_ON = (
    "pg_stat_statements and auto_explain loaded, query ids, track_io_timing, and the JSON log with"
    " statements above 100 ms, as postgres/conf has them"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """A combination of observers.

    Attributes:
        environment: further settings of ddtrace, for a load with tracing.
        bare: whether the load uses the driver alone, without the engine.
        profiled: whether its load is profiled after the rounds.
    """

    name: str
    what: str
    exporter: bool = False
    agent: bool = False
    tracing: bool = False
    auto_explain: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    bare: bool = False
    profiled: bool = False

    @property
    def is_exporter_alone(self) -> bool:
        """Whether all that its turn costs is the cost of its scrapes."""
        return self.exporter and not (self.agent or self.tracing or self.auto_explain)

    @property
    def load(self) -> tuple[bool, bool, tuple[tuple[str, str], ...]]:
        """What distinguishes the processes of its load from those of other modes."""
        return self.tracing, self.bare, tuple(sorted(self.environment.items()))


UNOBSERVED = Mode(name="unobserved", what="neither scraped, sampled, traced nor explained")
MODES = (
    UNOBSERVED,
    Mode(name="exporter", what="postgres_exporter, scraped every 10 s", exporter=True),
    Mode(name="agent", what=EMBEDDED_LABEL, agent=True),
    Mode(name="tracing", what="ddtrace, with DBM propagation", tracing=True),
    Mode(name="auto_explain", what="as postgres/conf has it", auto_explain=True),
    Mode(
        name="all",
        what="the four of them",
        exporter=True,
        agent=True,
        tracing=True,
        auto_explain=True,
    ),
)


def order(number: int, modes: Sequence[Mode]) -> list[Mode]:
    """Return the modes of a round, counted from 0, in the order of their turns.

    A Williams design (E. J. Williams, 1949), rotated: over as many rounds as there are modes, each mode
    follows each other mode once, so that carry-over effects are balanced.

    >>> [[mode.name[:2] for mode in order(number, MODES)] for number in (0, 1)]
    [['un', 'ex', 'al', 'ag', 'au', 'tr'], ['ex', 'ag', 'un', 'tr', 'al', 'au']]
    """
    count = len(modes)
    steps = [(step + 1) // 2 if step % 2 else -step // 2 for step in range(count)]
    return [modes[(number + step) % count] for step in steps]
