"""Where the lab keeps its files, in one place, so that `down` knows everything there is to remove."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.foundation.settings import ROOT, LabSettings

# Fetched binaries are a cache of the clone: every state directory shares them, and `down` keeps them.
PACKAGES = ROOT / ".lab" / "packages"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Locations of the lab; `state` is `.lab/` in the clone unless LAB_STATE_DIR moves it."""

    state: Path

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the locations that these settings choose."""
        return cls(state=settings.lab_state_dir.absolute())

    @property
    def postgres(self) -> Path:
        """PostgreSQL's own directory; the cluster is `postgres/data`."""
        return self.state / "postgres"

    @property
    def prometheus(self) -> Path:
        """Prometheus' own directory: `etc` (a copy of the configuration, targets) and `data`."""
        return self.state / "prometheus"

    @property
    def store(self) -> Path:
        """What the console keeps of both observers: a SQLite file, with its log and index beside it."""
        return self.state / "store" / "store.sqlite"

    @property
    def name_key(self) -> Path:
        """The key under which names that may be personal are hashed; see lab/telemetry/redact/key.py."""
        return self.store.with_name("names.key")

    @property
    def agent(self) -> Path:
        """The configuration and run directory of the machine's Datadog Agent, where it is used."""
        return self.state / "datadog"

    @property
    def drills(self) -> Path:
        """The drill that runs, the journal, and a document for each run; see lab/drills/running.py."""
        return self.state / "drills"

    @property
    def logs(self) -> Path:
        """One rotated log file per component."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """One record per started process, by which leftovers are found."""
        return self.state / "run"

    @property
    def scratch(self) -> Path:
        """Temporary files of the components, which not all of them remove."""
        return self.state / "tmp"

    @property
    def memory(self) -> Path:
        """What the last `up` was asked for."""
        return self.state / "state.json"

    @property
    def docker_memory(self) -> Path:
        """What the last `up` in containers was asked for; Compose keeps everything else."""
        return self.state / "docker.json"

    @property
    def docker_targets(self) -> Path:
        """What Prometheus scrapes in containers while only some of the services are asked for."""
        return self.state / "docker-targets"

    @property
    def lock(self) -> Path:
        """Held by the one command that is changing the lab."""
        return self.state / "lock"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{component}.log"
