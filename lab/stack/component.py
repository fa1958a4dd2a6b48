"""What native mode must know of a process of the lab to start it, ask it and stop it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.addresses import reachable
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a component's process is started from."""

    settings: LabSettings
    services: tuple[str, ...]

    @property
    def paths(self) -> Paths:
        """Where this lab keeps its files."""
        return Paths.of(self.settings)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line to exec, and all that its environment holds."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    version: str
    directory: Path = ROOT


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process of the lab.

    Attributes:
        name: as `status` and `logs` call it.
        port: the setting that holds its TCP port.
        command: prepares its files and returns what to exec.
        probe: asks it whether it works; see lab/stack/probes.py.
        proof: what the probe waits for, in words: "postgres answers a query".
        stop_signal: what asks it to end in order.
        stop_within_s: how long that may take before it is killed.
        http: whether its address is a URL that a person may open.
        optional: whether only some machines have it: no word is said of it on the others.
    """

    name: str
    port: str
    command: Callable[[Launch], Command]
    probe: Callable[[LabSettings], str | None]
    proof: str
    stop_signal: str = "TERM"
    stop_within_s: int = 20
    http: bool = True
    optional: bool = False

    def address(self, settings: LabSettings) -> str:
        """Return where it is reached from this machine."""
        host = settings.bind_address if self.http else settings.postgres_host
        plain_address = f"{reachable(host)}:{getattr(settings, self.port)}"
        return f"http://{plain_address}" if self.http else plain_address
