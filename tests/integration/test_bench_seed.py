"""`bench seed`, as short as it can be: both loads on one server, in a database that is dropped."""

import pytest

from lab.bench import seed
from lab.bench.seed import DATABASE, PGBENCH_ROWS
from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.errors import LabError
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_bench import Bench


def databases(cluster: Cluster) -> set[str]:
    with connect(dsn(cluster.settings, Role.SUPERUSER, database="postgres")) as connection:
        return {name for (name,) in rows(connection, "SELECT datname FROM pg_database")}


def test_both_loads_are_measured_and_nothing_remains(bench: Bench, cluster: Cluster) -> None:
    """pgbench loads at least its scale 1; the database of an interrupted run is no obstacle."""
    with connect(dsn(cluster.settings, Role.SUPERUSER, database="postgres")) as connection:
        rows(connection, f"CREATE DATABASE {DATABASE}")
    found = bench("seed", "--scale", "0.01")
    assert DATABASE not in databases(cluster)
    assert (found["scale"], found["pgbench_rows"]) == (0.01, PGBENCH_ROWS)
    assert 1_000 < found["seed_rows"] < 20_000
    for who in ("seed", "pgbench"):
        assert found[f"{who}_seconds"] > 0
        speed = found[f"{who}_rows"] / found[f"{who}_seconds"]
        assert found[f"{who}_rows_per_second"] == pytest.approx(speed)
    speeds = found["seed_rows_per_second"], found["pgbench_rows_per_second"]
    assert found["ratio"] == pytest.approx(speeds[0] / speeds[1])


def test_pgbenchs_own_error_is_shown(cluster: Cluster, postgres: Program) -> None:
    del postgres
    nowhere = cluster.settings.model_copy(update={"postgres_db": "no_such_database"})
    with pytest.raises(LabError, match=r"could not initialize.*\n.*no_such_database"):
        seed._initialise_pgbench(nowhere, 1)
