"""`up` is killed while it makes cluster, roles, schema and seed; the next one completes all of it.

One state directory goes through it all: each kill finds what the one before has left.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.clients.services import clients
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from tests.fix_lab import COMMAND_SECONDS
from tests.fix_postgres import free_port

pytestmark = pytest.mark.acceptance

WITHIN_S = 120
SCALE = 0.3
CUSTOMERS = 3_000
SEEDING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'credit-lab seed'"
COPYING = f"{SEEDING} AND query LIKE 'COPY %%'"
EMPTY = "SELECT to_regclass('public.customers') IS NULL"


class Starts:
    """`up` in a process group of its own, over one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        names = [name for name in LabSettings.model_fields if name.endswith("_port")]
        ports = {name: free_port() for name in names}
        self.settings = LabSettings(_env_file=None, lab_state_dir=state, **ports)
        self.environment = {
            **os.environ,
            **{name.upper(): str(port) for name, port in ports.items()},
            "LAB_STATE_DIR": str(state),
            "DOCKER_HOST": f"unix://{state}/no-engine",
            "DATADOG_AGENT": "embedded",
        }

    def begin(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a command, and return at once."""
        return subprocess.Popen(
            [str(ROOT / "creditlab"), *arguments],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=COMMAND_SECONDS)
        return process.returncode, out, err

    def kill_at(self, moment: str, reached: Callable[[], bool], **variables: str) -> None:
        """Start `up`, and kill its whole group with SIGKILL at a moment."""
        up = self.begin("up", "--native", "--scale", str(SCALE), **variables)

        def seen() -> str | None:
            if reached():
                return None
            assert up.poll() is None, f"`up` ended before {moment}: {up.communicate()[1]}"
            return "not yet"

        await_state(moment, seen, within_s=WITHIN_S)
        os.killpg(up.pid, signal.SIGKILL)
        up.communicate()
        assert up.returncode == -signal.SIGKILL

    def asks(self, statement: str) -> bool:
        """Return whether the database answers a statement as the superuser, and not by 0 or false."""
        try:
            with connect(dsn(self.settings, Role.SUPERUSER)) as connection:
                [[value]] = rows(connection, statement)
        except DatabaseError:
            return False
        return bool(value)

    def is_made(self) -> bool:
        """Whether initdb is at work; or has just ended, if this process was not scheduled meanwhile."""
        return any(self.state.glob("postgres/data*/PG_VERSION"))

    def has_launched(self) -> bool:
        """Whether PostgreSQL was launched; its roles and the schema are not there for some time yet."""
        return (self.state / "run" / "postgres.json").exists()


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    found = Starts(tmp_path / "the lab")
    try:
        yield found
    finally:
        found.run("down", "--wipe")


def test_killed_starts_leave_nothing_half_made(starts: Starts) -> None:
    """After five kills with SIGKILL, at other passwords too, one `up` gives a whole lab that verifies."""
    starts.kill_at("initdb is at work", starts.is_made)
    starts.kill_at("PostgreSQL is launched", starts.has_launched)
    # Roles that this one makes have a password that is nobody's afterwards.
    starts.kill_at(
        "the seed is being loaded", lambda: starts.asks(COPYING), LAB_DB_PASSWORD="another"
    )
    starts.kill_at("the seed has begun", lambda: starts.asks(SEEDING))
    starts.kill_at(
        "the first service is launched",
        (starts.state / "run" / "proposals.json").exists,
        CREDIT_APP_PASSWORD="another",
    )
    status, _, errors = starts.run("up", "--native", "--scale", str(SCALE))
    assert status == 0, errors
    await_state("status is 0", lambda: _not_ready(starts), within_s=WITHIN_S, every_s=1.0)
    with connect(dsn(starts.settings, Role.LAB)) as connection:
        [[customers, signed]] = rows(
            connection,
            "SELECT (SELECT count(*) FROM customers), (SELECT max_customer_id FROM seed_manifest)",
        )
        [[analysed]] = rows(
            connection,
            "SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename = 'customers'",
        )
    assert (customers, signed, analysed) == (CUSTOMERS, CUSTOMERS, 1)
    assert not any(starts.state.glob("postgres/data.partial*"))
    await_state("the services work", lambda: _idle(starts), within_s=WITHIN_S)
    report = json.loads(starts.run("verify", "--json")[1])
    assert [check for check in report["checks"] if check["ok"] is False] == []
    assert next(check for check in report["checks"] if check["name"] == "seed")["ok"] is True


def _not_ready(starts: Starts) -> str | None:
    """On a busy machine one component's answer may come late."""
    status, shown, _ = starts.run("status")
    return shown if status else None


def _idle(starts: Starts) -> str | None:
    """The services that have finished no operation yet."""
    done = {
        client.name: sum(
            sample.value
            for sample in client.samples()
            if sample.name == "credit_operations_total" and sample.labels["outcome"] == "ok"
        )
        for client in clients(starts.settings)
    }
    late = [name for name, count in done.items() if not count and name != "risk"]
    return f"nothing of {', '.join(late)}" if late else None
