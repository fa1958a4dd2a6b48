"""PostgreSQL with the compose network's pg_hba.conf, asked from addresses within and beyond that network.

Run in a network namespace of its own (tests/integration/test_admission.py), which has the addresses. Prints a
JSON object: by role and source address, the server's first answer to a session.
"""

import json
import sys
from pathlib import Path

from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, Database, free_port, running, settings_for
from tests.integration.test_admission import GATEWAY, first_answer

DOCKER = ROOT / "postgres" / "conf" / "pg_hba.docker.conf"
WITHIN_S = 150


def main(state: Path, sources: list[str]) -> None:
    """Start a server without roles: who has no line in pg_hba.conf is refused before roles are looked up."""
    program = postgres_bin()
    cluster = Cluster(
        settings=settings_for(port=free_port(), database="postgres"),
        state=state,
        bin=program.path.parent,
        libraries=program.libraries,
        options=NOT_DURABLE,
    )
    database = Database(settings=cluster.settings)

    def answer(role: str, source: str) -> str:
        return first_answer(database, role, source).decode(errors="replace")

    def not_loaded() -> str | None:
        seen = answer("postgres", GATEWAY)
        return None if "SCRAM" in seen else seen

    with running(cluster):
        (state / "conf" / "pg_hba.conf").write_bytes(DOCKER.read_bytes())
        with database.connect(Role.SUPERUSER) as connection:
            rows(connection, "SELECT pg_reload_conf()")
        await_state("the server has the file of Docker", not_loaded, within_s=WITHIN_S)
        roles = ("postgres", "credit_app")
        found = {
            f"{role} from {source}": answer(role, source) for role in roles for source in sources
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
