"""What a component's process is started from, and the command line to exec."""

from dataclasses import dataclass
from pathlib import Path

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
