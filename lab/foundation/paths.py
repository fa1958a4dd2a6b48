"""Paths of the lab's files, in one place, so that `down` can remove all of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.foundation.settings import ROOT, LabSettings

# Fetched binaries are a cache of the clone: every state directory shares them, and `down` keeps them.
PACKAGES = ROOT / ".lab" / "packages"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Paths of the lab; `state` is `.lab/` in the clone unless LAB_STATE_DIR is set."""

    state: Path

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the paths for these settings."""
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
    def alertmanager(self) -> Path:
        """Alertmanager's own directory: `etc` (its configuration) and `data`."""
        return self.state / "alertmanager"

    @property
    def store(self) -> Path:
        """The console's store: a SQLite file, with its write-ahead log and shared memory beside it."""
        return self.state / "store" / "store.sqlite"

    @property
    def name_key(self) -> Path:
        """The key under which names that may be personal are hashed; see lab/telemetry/redact/key.py."""
        return self.store.with_name("names.key")

    @property
    def agent(self) -> Path:
        """The configuration and run directory of this machine's Datadog Agent, if the lab uses one."""
        return self.state / "datadog"

    @property
    def check(self) -> Path:
        """The virtual environment of Datadog's postgres check, if the lab runs it without the Agent."""
        return self.state / "check"

    @property
    def check_python(self) -> Path:
        """The Python of that environment."""
        return self.check / "venv" / "bin" / "python"

    @property
    def drills(self) -> Path:
        """The running drill, the journal, and a document for each run; see lab/drills/running.py."""
        return self.state / "drills"

    @property
    def exams(self) -> Path:
        """The running exam, and a directory for each exam; see lab/exam/place.py."""
        return self.state / "exam"

    @property
    def alerts(self) -> Path:
        """The notifications that the console has received."""
        return self.state / "alerts"

    @property
    def saved(self) -> Path:
        """The saved links of the console."""
        return self.state / "saved.json"

    @property
    def mcp_token(self) -> Path:
        """The token of the MCP server over HTTP."""
        return self.state / "mcp.token"

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
        """Temporary files of the components; not all of them remove theirs."""
        return self.state / "tmp"

    @property
    def up_options(self) -> Path:
        """The options of the last `up`."""
        return self.state / "state.json"

    @property
    def docker_up_options(self) -> Path:
        """The options of the last `up` in containers; Compose keeps everything else."""
        return self.state / "docker.json"

    @property
    def docker_targets(self) -> Path:
        """Prometheus' targets in containers when only some of the services are selected."""
        return self.state / "docker-targets"

    @property
    def lock(self) -> Path:
        """The lock file of the command that is changing the lab."""
        return self.state / "lock"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{component}.log"
