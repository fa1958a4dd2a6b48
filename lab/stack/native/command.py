"""The settings from which a component's process is started, and its command line."""

from dataclasses import dataclass
from pathlib import Path

from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The settings and services from which a component's process is started."""

    settings: LabSettings
    services: tuple[str, ...]

    @property
    def paths(self) -> Paths:
        """Paths of this lab's files."""
        return Paths.of(self.settings)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line to exec, and its whole environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    version: str
    directory: Path = ROOT
