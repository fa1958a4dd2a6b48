"""`python -m lab.seed.gatekeeper`: the `seed` job of docker-compose.yml, on which the services depend.

It verifies what a health check of PostgreSQL cannot: that every role's password in .env is that of the volume
(the superuser's only where pg_hba.conf admits it from here, as in Docker), that postgres/init is complete,
and that the database has the seed of the settings. Compose starts no service on a database that fails.
"""

import sys

from lab.clients.database import PASSWORDS, Role, connect, dsn, rows
from lab.foundation.errors import (
    AccessRefusedError,
    DatabaseAbsentError,
    LabError,
    PasswordRefusedError,
)
from lab.foundation.settings import LabSettings
from lab.seed import ensure
from workload.errors import SettingsError


class WrongPasswordsError(LabError):
    """PostgreSQL's data was created with other passwords than these."""


# The official image runs postgres/init once, in a new volume, and does not continue an interrupted run. The
# last statement of the last file grants this function to role datadog, and revokes it from PUBLIC.
ENDED = """SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'datadog' AND p.proname = 'explain_statement'
  AND has_function_privilege('datadog', p.oid, 'EXECUTE')
  AND NOT has_function_privilege('public', p.oid, 'EXECUTE')"""


class InterruptedInitializationError(LabError):
    """The first start of PostgreSQL was interrupted: the database is incomplete, and has no data yet.

    Remove it and start again: docker compose down -v (on Kubernetes delete its PersistentVolumeClaim).
    """


def verify_passwords(settings: LabSettings) -> None:
    """Log in as each role.

    Raises:
        WrongPasswordsError: naming each variable whose password PostgreSQL refuses.
        InterruptedInitializationError: when there is no database yet.
        DatabaseError: when PostgreSQL cannot be reached.
    """
    try:
        refused = [name.upper() for role, name in PASSWORDS.items() if not _admits(settings, role)]
    except DatabaseAbsentError as error:
        raise InterruptedInitializationError from error
    if refused:
        raise WrongPasswordsError(
            f"PostgreSQL refuses the password in {', '.join(refused)}: its data was created with another.\n"
            "Restore the password of the volume (the defaults are in .env.example), or"
            " remove the data: docker compose down -v"
        )


def require_complete(settings: LabSettings) -> None:
    """Return when postgres/init is complete.

    Raises:
        InterruptedInitializationError: when it is not.
        DatabaseError: when PostgreSQL cannot be reached.
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
    """Verify passwords and schema, ensure the seed, print the result."""
    try:
        settings = LabSettings.load()
        verify_passwords(settings)
        require_complete(settings)
        report = ensure(settings)
    except (LabError, SettingsError) as error:
        sys.stderr.write(f"credit-lab seed: {error}\n")
        return 2
    loaded = f"{report.rows:,} rows loaded in {report.seconds:.1f} s"
    did = loaded if report.loaded else "already loaded"
    sys.stdout.write(f"credit-lab seed: all roles can log in; scale {report.scale:g}: {did}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
