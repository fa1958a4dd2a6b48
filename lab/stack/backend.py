"""The protocol of the stack's backends: what a command needs of the lab, on this machine or in containers.

Commands call it and do not ask which backend it is; lab/stack/mode.py selects one.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lab.foundation.reporter import Reporter
    from lab.foundation.settings import LabSettings
    from lab.seed import SeedReport
    from lab.stack.status import Status
    from lab.stack.up_options import UpOptions

# Names of the seed's settings that an existing seed must match; for others the database's value applies.
RequiredSettings = Collection[str]
# Seeds a database with the schema, unless it is seeded.
Seed = Callable[["LabSettings", RequiredSettings], "SeedReport"]


class Mode(StrEnum):
    """Where the lab runs."""

    NATIVE = "native"
    DOCKER = "docker"

    @property
    def place(self) -> str:
        """The mode as part of a sentence."""
        return "in containers" if self is Mode.DOCKER else "on this machine, without containers"


@dataclass(frozen=True, kw_only=True)
class UpResult:
    """Result of `up`: the components that it started, in order, and notes for the user."""

    started: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ComponentLine:
    """One line of a log; `component` is None when the text begins with the component's name."""

    component: str | None
    text: str


@dataclass(frozen=True, kw_only=True)
class ComponentUsage:
    """CPU and memory of a component: per cent of one processor, and bytes.

    Attributes:
        component: its name.
        program: the name with the program that replaces it, such as the embedded agent.
        cpu_percent: over the time of `period`.
        memory_bytes: now.
        period: "mean" since the start, or "now".
    """

    component: str
    program: str
    cpu_percent: float
    memory_bytes: float
    period: str


class Backend(Protocol):
    """The life cycle of one lab, and its components."""

    @property
    def mode(self) -> Mode:
        """Its mode, as `--native` and `--docker` name it."""

    @property
    def has_store(self) -> bool:
        """Whether this machine has the lab's files: the store, and the journal of the drills."""

    @property
    def up_options_file(self) -> Path:
        """The file with the options of the last `up`; see lab/stack/up_options.py."""

    def available(self) -> bool:
        """Whether `up` can be tried here."""

    def runs(self) -> bool:
        """Whether a component of the lab runs, healthy or not."""

    def up(self, requested: "UpOptions", *, reporter: "Reporter", seed: Seed) -> UpResult:
        """Start the lab, or its missing components, and return when all are ready."""

    def down(self, *, wipe: bool, reporter: "Reporter") -> bool:
        """Stop the lab, with `wipe` remove its data; return whether anything ran."""

    def status(self) -> "Status":
        """Return the state of each component, and the rates of the intake."""

    def running_settings(self) -> "LabSettings":
        """Return the settings with addresses and tokens of the running lab."""

    def logs(self, component: str | None, *, follow: bool, tail: int) -> Iterator[ComponentLine]:
        """Yield the last lines of a component's log, or of all; with `follow`, new ones as they come."""

    def start_component(self, name: str) -> None:
        """Start a component, and return before it is ready; without effect on a running one."""

    def stop_component(self, name: str) -> None:
        """Stop a component, and wait for its end; without effect on a stopped one."""

    def usage(self) -> Iterator[ComponentUsage]:
        """Yield CPU and memory of each running component.

        Raises:
            LabError: when they cannot be read.
        """
