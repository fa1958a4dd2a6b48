"""The log of a real PostgreSQL as Datadog's pipeline reads it: by the prefix, and plans as JSON.

The expression is our own, of the fields that Datadog documents for the prefix of Amazon RDS with more fields.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import yaml

from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database

WITHIN_S = 150
[LOG] = yaml.safe_load((ROOT / "datadog/conf.d/postgres.d/conf.yaml").read_text())["logs"]
[BEGINNING] = [r["pattern"] for r in LOG["log_processing_rules"] if r["type"] == "multi_line"]
MASKS = [rule for rule in LOG["log_processing_rules"] if rule["type"] == "mask_sequences"]
FIELDS = re.compile(
    r"(?P<time>[-0-9]{10} [:.0-9]{12} \w+):(?P<client>[^:(]*)(?:\((?P<port>\d+)\))?:"
    r"(?P<user>[^@]*)@(?P<database>[^:]*):\[(?P<pid>\d+)\]:(?P<line>\d+):(?P<sqlstate>\w{5}):"
    r"(?P<started>[-0-9]{10} [:0-9]{8} \w+):(?P<vxid>[^:]*):(?P<xid>\d+):(?P<session>[0-9a-f.]+):"
    r"(?:(?P<application>[^:]+):)?(?P<severity>[A-Z0-9]+):\s+(?P<message>.*)",
    re.DOTALL,
)
DURATION = re.compile(
    r"duration:\s+(?P<ms>[\d.]+)\s+ms\s+(?P<what>statement|plan):\s+(?P<text>.*)", re.DOTALL
)


def entries(cluster: Cluster) -> Iterator[str]:
    """Yield the entries of the plain log as the Agent sends them: lines joined, literals masked."""
    found: list[str] = []
    for file in sorted((cluster.data / "log").glob("postgresql-*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if re.match(BEGINNING, line) or not found:
                found.append(line)
            else:
                found[-1] += f"\n{line}"
    for entry in found:
        masked = entry
        for rule in MASKS:
            replacement = re.sub(r"\$\{(\d)\}", r"\\\1", rule["replace_placeholder"])
            masked = re.sub(rule["pattern"], replacement, masked)
        yield masked


def parsed(cluster: Cluster, token: str) -> dict[str, dict[str, str]]:
    """Return the entries that hold a token, by what they report: `statement`, `plan`."""
    found = {}
    for entry in entries(cluster):
        if token in entry and (fields := FIELDS.fullmatch(entry)):
            duration = DURATION.fullmatch(fields["message"])
            if duration:
                found[duration["what"]] = {**fields.groupdict(), **duration.groupdict()}
    return found


def test_a_slow_statement_and_its_plan_are_parsed(cluster: Cluster, database: Database) -> None:
    """Who, where, how long, and a plan that is still JSON after the Agent masked its literals."""
    token = f"slow_{uuid4().hex[:12]}"
    with database.connect(Role.APP) as connection:
        rows(
            connection,
            "SELECT pg_sleep(0.3), x FROM (SELECT '39053344705' AS x) s WHERE x <> 'it''s'"
            f" /*service='credit-test',statement='{token}'*/",
        )

    def unseen() -> str | None:
        kinds = sorted(parsed(cluster, token))
        return None if kinds == ["plan", "statement"] else f"entries: {kinds}"

    await_state("statement and plan are in the log", unseen, within_s=WITHIN_S)
    for what, fields in parsed(cluster, token).items():
        assert (fields["user"], fields["severity"], fields["sqlstate"]) == (
            "credit_app",
            "LOG",
            "00000",
        )
        assert fields["database"] == database.settings.postgres_db, what
        # The pipeline wants none of these to be empty in an entry with a duration.
        assert all(fields[name] for name in ("application", "port", "vxid", "xid", "session"))
        assert float(fields["ms"]) >= 300
        assert "39053344705" not in fields["text"]
    plan: dict[str, Any] = json.loads(parsed(cluster, token)["plan"]["text"])
    assert plan["Plan"]["Actual Rows"] == 1
    assert token in plan["Query Text"]


def test_every_entry_has_the_prefix(cluster: Cluster, database: Database) -> None:
    """Those of background processes, without client, user and application, too."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CHECKPOINT")

    def unseen() -> str | None:
        known = [fields for entry in entries(cluster) if (fields := FIELDS.fullmatch(entry))]
        quiet = [fields for fields in known if "checkpoint" in fields["message"]]
        return None if quiet and not quiet[-1]["user"] else f"{len(known)} entries"

    await_state("an entry of the checkpointer", unseen, within_s=WITHIN_S)
    # The last one may still be written.
    assert [entry for entry in list(entries(cluster))[:-1] if not FIELDS.fullmatch(entry)] == []
