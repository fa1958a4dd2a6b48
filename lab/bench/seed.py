"""`bench seed`: the lab's seed compared with `pgbench -i`, in rows per second.

Both load by COPY, freeze rows, build keys and collect statistics. pgbench has three tables without
foreign keys and four-column rows of one pattern; so the ratio is the cost of plausible data, not a
comparison of equal work.
"""

import os
import subprocess
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Annotated

import typer
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.bench.scratch import checkpoint, postgres_version, scratch_database, seeded
from lab.clients.database import Role
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.native.binaries import postgres_bin
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import err
from workload.limits import MAX_SCALE, MIN_SCALE

DATABASE = "creditlab_bench_seed"
CLAIM = 0.1
# Scale 1 of pgbench: 1 branch, 10 tellers, 100,000 accounts.
PGBENCH_ROWS = 100_011


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Rows loaded, and the seconds until the database was ready for use."""

    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Throughput in rows per second, statistics included."""
        return self.rows / self.seconds


@dataclass(frozen=True, kw_only=True)
class Result:
    """Both loads of one run; `scale` is the lab's."""

    scale: float
    seed: Loading
    pgbench: Loading

    @property
    def ratio(self) -> float:
        """The seed's rows per second divided by pgbench's."""
        return self.seed.rows_per_second / self.pgbench.rows_per_second

    def to_json(self) -> dict[str, float]:
        """Return the flat document that --json prints."""
        figures = {
            f"{who}_{name}": value
            for who, loading in (("seed", self.seed), ("pgbench", self.pgbench))
            for name, value in {
                **asdict(loading),
                "rows_per_second": loading.rows_per_second,
            }.items()
        }
        return {"scale": self.scale, **figures, "ratio": self.ratio}


def seed(
    scale: Annotated[
        float,
        typer.Option(
            help="Size of the data: 1 is 10,000 customers.",
            parser=number(MIN_SCALE, MAX_SCALE),
            metavar="N",
        ),
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Load the seed and a pgbench database of as many rows, and compare."""
    settings = LabSettings.load()
    with interruptible(), watched(CLAIM, postgres_version()) as watch:
        result = measure(settings, scale)
    publish(watch, result.to_json(), lambda: _table(result), as_json=as_json)


def measure(settings: LabSettings, scale: float) -> Result:
    """Load both into a scratch database, one after the other.

    Raises:
        LabError: the server does not answer, or pgbench is not in the directory of `postgres`, or fails.
    """
    with scratch_database(settings, DATABASE) as scratch:
        checkpoint(scratch)
        report = seeded(scratch, scale)
        pgbench_scale = max(1, round(report.rows / PGBENCH_ROWS))
        with err.status(f"pgbench -i --scale={pgbench_scale}"):
            seconds = _initialise_pgbench(scratch, pgbench_scale)
    return Result(
        scale=scale,
        seed=Loading(rows=report.rows, seconds=report.seconds),
        pgbench=Loading(rows=pgbench_scale * PGBENCH_ROWS, seconds=seconds),
    )


def _initialise_pgbench(settings: LabSettings, scale: int) -> float:
    program = postgres_bin()
    arguments = [
        str(program.beside("pgbench")),
        "--initialize",
        "--quiet",
        f"--scale={scale}",
        f"--host={settings.postgres_host}",
        f"--port={settings.postgres_port}",
        f"--username={Role.OWNER.value}",
        settings.postgres_db,
    ]
    environment = {
        "PATH": os.defpath,
        "PGPASSWORD": settings.credit_owner_password.get_secret_value(),
        **program.environment(),
    }
    begun = monotonic()
    try:
        done = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LabError(
            f"pgbench was not found in the directory of {program.path}.\n"
            "Install the server package of PostgreSQL 15 (on some systems: -contrib)."
        ) from None
    if done.returncode:
        raise LabError(f"pgbench could not initialize its tables.\n{done.stderr.strip()}")
    return monotonic() - begun


def _table(result: Result) -> Table:
    caption = (
        "seed: 8 consistent tables, with foreign keys and indexes."
        " pgbench: 3 tables of one pattern, their primary keys."
    )
    title = f"Loading at scale {result.scale:g}"
    table = grid(title, "rows", "seconds", "rows/s", caption=caption)
    for name, loading in (("seed", result.seed), ("pgbench -i", result.pgbench)):
        table.add_row(
            name,
            f"{loading.rows:,}",
            f"{loading.seconds:.1f}",
            f"{loading.rows_per_second:,.0f}",
        )
    table.add_row("ratio", "", "", f"{result.ratio:.2f}", style="bold")
    return table
