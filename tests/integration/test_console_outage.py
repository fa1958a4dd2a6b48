"""The services while the console is stopped, killed, frozen, or on a full disk: they must not notice."""

import os
from collections import Counter
from functools import partial
from pathlib import Path

from lab import seed
from lab.bench.console import STATES
from lab.bench.own_console import OwnConsole, own_console
from lab.clients.database import Role, rows
from lab.clients.services import ServiceClient
from lab.foundation.processors import NICE_INCREMENT
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database, free_port
from tests.integration.test_intake_lab import counted, services, sums, until

# The kernel's limit.
NICEST = 19
LOAD = 3.0
OPERATIONS = 60
LOGGED = (
    "SELECT statement, count(*) FROM executions WHERE role = 'credit_app' AND database = ?"
    " GROUP BY 1"
)


def outcomes(client: ServiceClient) -> Counter[str]:
    """Return how many operations have ended, by outcome."""
    found: Counter[str] = Counter()
    for sample in client.samples():
        if sample.name == "credit_operations_total":
            found[sample.labels["outcome"]] += int(sample.value)
    return found


def have_ended(operations: int, client: ServiceClient) -> bool:
    return outcomes(client).total() >= operations


def is_refused_the_disk(console: OwnConsole) -> bool:
    return "disk" in (console.health()["log_trouble"] or "")


def test_services_continue_and_the_log_is_read_to_its_last_line(
    database: Database, cluster: Cluster, tmp_path: Path
) -> None:
    """Through every outage operations end as ever, and afterwards the store has each line of the log once."""
    update = {"seed_scale": 0.02, "workload_load": LOAD, "proposals_port": free_port()}
    settings = database.settings.model_copy(update=update)
    seed.ensure(settings)
    with database.connect(Role.SUPERUSER) as superuser:
        rows(superuser, f"ALTER DATABASE {database.name} SET log_min_duration_statement = 0")
    log = cluster.data / "log"
    with (
        own_console(tmp_path, log=log) as console,
        services(settings, f"http://127.0.0.1:{console.port}") as client,
    ):
        assert console.process.nice() == min(os.nice(0) + NICE_INCREMENT, NICEST)
        for name, bring_about in STATES.items():
            console.restore()
            bring_about(console)
            goal = outcomes(client).total() + OPERATIONS
            until(f"operations with the console {name}", partial(have_ended, goal, client))
            if name == "disk full":
                until("a write that was refused", lambda: is_refused_the_disk(console))
        console.restore()
        client.pause()
        application = counted(client)
        assert outcomes(client)["error"] == 0
        until(
            "the last lines of the log",
            lambda: (
                sum(sums(console.store, LOGGED, database.name).values())
                >= sum(application.values())
            ),
        )
    assert sums(console.store, LOGGED, database.name) == application
