"""Runs pgbench with the services' role, number of connections, session settings and simple protocol."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from lab.bench.load.job import Saturated
from lab.bench.load.scenarios import Scenario
from lab.bench.load.scripts import Sample, write
from lab.clients.database import Role
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.native.binaries import postgres_bin
from workload.database import session_options

TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
# Its time includes the connect; a slow connect may take all of a short turn, and no transaction ends.
ATTEMPTS = 3
# With --rate the last field of a line is the schedule lag, in microseconds.
LAG_FIELD = 6


class Pgbench:
    """pgbench as a contestant."""

    def __init__(self, settings: LabSettings, *, connections: int) -> None:
        self._settings = settings
        self._connections = connections
        self._sample = Sample.of(settings)

    def saturate(self, scenario: Scenario, *, seconds: float) -> Saturated:
        """Return the rate of a closed loop.

        Raises:
            LabError: when pgbench is missing or fails.
        """
        for _ in range(ATTEMPTS):
            with tempfile.TemporaryDirectory(prefix="creditlab-bench-") as folder:
                output = self._run(Path(folder), scenario, seconds)
            if found := TPS.search(output):
                return Saturated(tps=float(found[1]))
        raise LabError(f"pgbench reported no tps in {ATTEMPTS} attempts:\n{output}")

    def start_delays(self, scenario: Scenario, *, seconds: float, rate: float) -> list[float]:
        """Return the schedule lag of each transaction at `--rate`, in seconds.

        Raises:
            LabError: when pgbench is missing or fails.
        """
        with tempfile.TemporaryDirectory(prefix="creditlab-bench-") as folder:
            log = (f"--rate={rate:g}", "--log", "--log-prefix=lag")
            self._run(Path(folder), scenario, seconds, *log)
            return [
                float(line.split()[LAG_FIELD]) / 1e6
                for file in Path(folder).glob("lag.*")
                for line in file.read_text().splitlines()
            ]

    def _run(self, folder: Path, scenario: Scenario, seconds: float, *more: str) -> str:
        program = postgres_bin()
        arguments = [
            str(program.beside("pgbench")),
            "--no-vacuum",
            f"--client={self._connections}",
            f"--jobs={min(self._connections, os.cpu_count() or 1)}",
            f"--time={max(1, round(seconds))}",
            f"--host={self._settings.postgres_host}",
            f"--port={self._settings.postgres_port}",
            f"--username={Role.APP.value}",
            *write(scenario, self._sample, folder),
            *more,
            self._settings.postgres_db,
        ]
        environment = {
            "PATH": os.defpath,
            "PGPASSWORD": self._settings.credit_app_password.get_secret_value(),
            "PGOPTIONS": session_options(self._settings),
            **program.environment(),
        }
        try:
            done = subprocess.run(
                arguments, env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise LabError(
                f"pgbench was not found in the directory of {program.path}.\n"
                "Install the server package of PostgreSQL 15 (on some systems: -contrib)."
            ) from None
        if done.returncode or "aborted" in done.stderr:
            raise LabError(f"pgbench failed.\n{done.stderr.strip()[-1000:]}")
        return done.stdout
