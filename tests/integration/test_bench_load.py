"""`bench load` compares like with like: pgbench and our engine send the same statements."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab import seed
from lab.bench.load import services
from lab.bench.load.bare import BareRunner
from lab.bench.load.engine import Engine, engine
from lab.bench.load.measure import ARRANGEMENTS, CONTESTANTS, FLOOR, PGBENCH
from lab.bench.load.pgbench import Pgbench
from lab.bench.load.scenarios import MIX, POINT, SCENARIOS, Scenario, Share
from lab.bench.load.scripts import Sample, one_of, write
from lab.clients.database import Role
from lab.stack.native.cluster import Cluster
from tests.fix_bench import Bench
from tests.fix_postgres import Database
from tests.fix_workload import ask, cloned, wired_service
from workload.operation import Outcome
from workload.services import SERVICES
from workload.tracing import NoTracing

CONNECTIONS = 4
SEED_SCALE = 0.2
SHARES = {s.operation.name: s for scenario in SCENARIOS for s in scenario.shares}.values()
SENT = """
SELECT queryid, substring(query FROM 'statement=''([a-z_]+)''')
FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid JOIN pg_roles r ON r.oid = userid
WHERE datname = current_database() AND rolname = 'credit_app' AND query LIKE '%%/*service=%%'
"""


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    """A database with a seed of its own: at saturation the small one would soon have nothing to pay."""
    with cloned(cluster, "lab_template") as database:
        seed.ensure(database.settings.model_copy(update={"seed_scale": SEED_SCALE}))
        yield database


@pytest.fixture(scope="module")
def ours(database: Database) -> Iterator[Engine]:
    with engine(database.settings, processes=2, connections=CONNECTIONS) as ours:
        yield ours


@pytest.fixture(scope="module")
def pgbench(database: Database) -> Pgbench:
    return Pgbench(database.settings, connections=CONNECTIONS)


def forget(database: Database) -> None:
    ask(database, "SELECT pg_stat_statements_reset()", role=Role.SUPERUSER)


@pytest.mark.parametrize("share", SHARES, ids=lambda share: share.operation.name)
def test_all_send_the_same_statements(database: Database, pgbench: Pgbench, share: Share) -> None:
    """By queryid, so by structure, types of literals included."""
    alone = Scenario(name="alone", what="one operation", shares=(share,))
    forget(database)
    assert pgbench.saturate(alone, seconds=1).tps > 0
    by_pgbench = set(ask(database, SENT))
    wired = wired_service(SERVICES[share.service], database.settings)
    wired.runner.run(share.operation)  # reads the reference data, once
    forget(database)
    for _ in range(5):
        assert wired.runner.run(share.operation).outcome is not Outcome.ERROR
    wired.database.close_idle()
    assert set(ask(database, SENT)) == by_pgbench != set()
    bare = BareRunner(
        database.settings, service=SERVICES[share.service].dd_service, tracing=NoTracing()
    )
    bare.run(share.operation)
    forget(database)
    for _ in range(5):
        assert bare.run(share.operation).outcome is not Outcome.ERROR
    assert set(ask(database, SENT)) == by_pgbench


def test_what_the_bare_driver_writes_is_committed(database: Database) -> None:
    """Whatever was done in the same session before: an operation that pays is a transaction."""
    bare = BareRunner(database.settings, service="credit-servicing", tracing=NoTracing())
    operations = [share.operation for share in SHARES if share.operation.name in {"pay", "lookup"}]
    paid = "SELECT count(*) FROM audit_log WHERE instance = %s"
    for _ in range(3):
        for operation in operations:
            assert bare.run(operation).outcome is Outcome.OK
    assert ask(database, paid, bare.instance) == [(3,)]


@pytest.mark.parametrize("number", [1, 2, 7, 1000])
def test_pgbench_can_draw_each_of_the_values_and_no_other(database: Database, number: int) -> None:
    """PostgreSQL evaluates the same expression."""
    values = [3 * n for n in range(number)]
    expression = one_of(values).replace(":at", "at")
    assert [
        value
        for (value,) in ask(
            database, f"SELECT {expression} FROM generate_series(0, {number - 1}) AS at ORDER BY at"
        )
    ] == values


def test_each_keeps_to_the_rate_and_tells_each_delay(ours: Engine, pgbench: Pgbench) -> None:
    """As many as requested, in one of five turns: a machine that stalls for a second keeps no rate.

    Of a Poisson process with 40 arrivals on average; a rate that a slow machine can keep as well.
    """
    for contestant in (ours, pgbench):
        turns: list[int] = []
        while not any(10 < operations < 80 for operations in turns) and len(turns) < 5:
            delays = contestant.start_delays(MIX, seconds=2, rate=20)
            assert min(delays, default=0) >= 0
            turns.append(len(delays))
        assert any(10 < operations < 80 for operations in turns), (contestant, turns)


def test_a_run_measures_everybody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole benchmark, as short as it can be: every figure is there, and the services keep going."""
    monkeypatch.setattr(services, "SETTLE_S", 0.5)
    # Each turn takes both processors: the statements of each scenario are compared above.
    scenarios = (POINT, replace(MIX, lengthened=1))
    monkeypatch.setattr("lab.bench.load.measure.SCENARIOS", scenarios)
    monkeypatch.setattr("lab.bench.load.measure.SERVICES_S", 4.0)
    found = bench(
        "load", "--seconds", "1", "--rounds", "1", "--rate", "50", "--scale", str(SEED_SCALE)
    )
    assert (found["seconds"], found["rounds"], found["rate"]) == (1, 1, 50)
    assert set(found["scenarios"]) == {scenario.name for scenario in scenarios}
    for one in found["scenarios"].values():
        assert set(one["tps"]) == set(CONTESTANTS)
        assert min(one["tps"].values()) > 0
        assert one["ratios"] == {n: one["tps"][n] / one["tps"][PGBENCH] for n in CONTESTANTS}
        assert one["of_driver"] == {n: one["tps"][n] / one["tps"][f] for n, f in FLOOR.items()}
        assert min(one["cpu_us"].values()) > 0
    mix = found["scenarios"][MIX.name]
    assert found["ratio"] == max(mix["ratios"][name] for name in ARRANGEMENTS)
    assert found["engine_tps"] == mix["tps"][found["engine"]]
    assert min(found["lateness_p99_ms"], found["pgbench_lateness_p99_ms"]) > 0
    held = found["services"]
    assert held["errors"] == 0
    assert held["operation_rate"] > 0
    assert 0 < held["processors"]["busy"] <= 1
    assert 0 <= held["processors"]["stolen"] < 1


def test_a_script_has_its_statements_whole_and_no_placeholder_left(
    database: Database, tmp_path: Path
) -> None:
    sample = Sample.of(database.settings)
    for scenario in SCENARIOS:
        for argument in write(scenario, sample, tmp_path):
            file, _, weight = argument.removeprefix("--file=").rpartition("@")
            text = Path(file).read_text()
            assert int(weight) > 0
            assert re.search(r"/\*service='[a-z-]+',statement='[a-z_]+'\*/", text)
            assert "%(" not in text
