"""`python -m lab.seed.gatekeeper`: the `seed` job of docker-compose.yml, which lets the services in.

It proves what a health check of PostgreSQL cannot: that every role's password in .env is the one that the
volume was made with (the superuser's only where pg_hba.conf admits it from here, as in Docker), that
postgres/init ran to its end, and that the database holds the seed the settings ask for. Compose starts
nothing on a database that did not pass.
"""

import sys

from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.errors import (
    AccessRefusedError,
    DatabaseAbsentError,
    LabError,
    PasswordRefusedError,
)
from lab.foundation.settings import LabSettings
from lab.seed import ensure
from workload.errors import SettingsError

PASSWORDS = {
    Role.SUPERUSER: "POSTGRES_PASSWORD",
    Role.OWNER: "CREDIT_OWNER_PASSWORD",
    Role.APP: "CREDIT_APP_PASSWORD",
    Role.DATADOG: "DATADOG_DB_PASSWORD",
    Role.EXPORTER: "EXPORTER_DB_PASSWORD",
    Role.LAB: "LAB_DB_PASSWORD",
}


class WrongPasswordsError(LabError):
    """PostgreSQL's data was made with other passwords than these."""


# The official image runs postgres/init once, into a new volume; what interrupts it is never made up for. The
# last statement of the last file lets role datadog, and no longer everyone, call this function.
ENDED = """SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'datadog' AND p.proname = 'explain_statement'
  AND has_function_privilege('datadog', p.oid, 'EXECUTE')
  AND NOT has_function_privilege('public', p.oid, 'EXECUTE')"""


class InterruptedInitializationError(LabError):
    """The first start of PostgreSQL was interrupted: the database is not whole, and has no data yet.

    Throw it away and begin again: docker compose down -v (on Kubernetes delete its PersistentVolumeClaim).
    """


def prove_passwords(settings: LabSettings) -> None:
    """Log in as each role.

    Raises:
        WrongPasswordsError: naming each variable whose password PostgreSQL refuses.
        InterruptedInitializationError: when there is no database yet.
        DatabaseError: when it cannot be asked.
    """
    try:
        refused = [variable for role, variable in PASSWORDS.items() if not _admits(settings, role)]
    except DatabaseAbsentError as error:
        raise InterruptedInitializationError from error
    if refused:
        raise WrongPasswordsError(
            f"PostgreSQL refuses the password in {', '.join(refused)}: its data was made with another.\n"
            "Put back the one that the volume was made with (the defaults stand in .env.example), or"
            " throw the data away and begin anew: docker compose down -v"
        )


def require_whole(settings: LabSettings) -> None:
    """Return when postgres/init ran to its end.

    Raises:
        InterruptedInitializationError: when it did not.
        DatabaseError: when PostgreSQL cannot be asked.
    """
    with connect(dsn(settings, Role.OWNER), application_name="credit-lab seed") as connection:
        if rows(connection, ENDED) != [(1,)]:
            raise InterruptedInitializationError


def _admits(settings: LabSettings, role: Role) -> bool:
    try:
        with connect(dsn(settings, role), application_name="credit-lab seed"):
            return True
    except PasswordRefusedError:
        return False
    except AccessRefusedError:
        # On Kubernetes the superuser connects from the database's own pod only.
        if role is not Role.SUPERUSER:
            raise
        return True


def main() -> int:
    """Prove passwords and schema, ensure the seed, say what was done."""
    try:
        settings = LabSettings.load()
        prove_passwords(settings)
        require_whole(settings)
        report = ensure(settings)
    except (LabError, SettingsError) as error:
        sys.stderr.write(f"credit-lab seed: {error}\n")
        return 2
    loaded = f"{report.rows:,} rows loaded in {report.seconds:.1f} s"
    did = loaded if report.loaded else "the data are there"
    sys.stdout.write(f"credit-lab seed: every role gets in; scale {report.scale:g}: {did}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
