"""Ensures that the database has the seed of the settings: all of it, or none.

Runs as credit_owner, who owns the tables; no superuser is needed.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from time import monotonic

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.seed.batches import COLUMNS
from lab.seed.load import load
from lab.seed.plan import SeedPlan
from lab.seed.progress import Progress, Report, Step

APPLICATION = "credit-lab seed"


class SeedConflictError(LabError):
    """The database is already seeded, with another scale or random seed; see `down --wipe`."""


class UnseededDataError(LabError):
    """Some tables have rows that are not from a seed; see `down --wipe`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedReport:
    """The seed in the database; `loaded` is whether this call loaded it. Seconds are those of this call."""

    scale: Decimal
    random_seed: int
    loaded: bool
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows loaded per second, with keys, indexes and statistics; 0 when none were."""
        return self.rows / self.seconds if self.rows else 0.0

    @property
    def summary(self) -> str:
        """The scale, and the number of rows loaded, or that none were."""
        if not self.loaded:
            return f"scale {self.scale:f}, kept from an earlier run"
        return f"scale {self.scale:f}, {self.rows:,} rows at {self.rows_per_second:,.0f} rows/s"


def ensure(
    settings: LabSettings,
    *,
    required: Collection[str] | None = None,
    reference: date | None = None,
    progress: Report | None = None,
) -> SeedReport:
    """Seed the database of the settings, unless it has that seed already.

    A seeded database keeps its scale and its random seed unless the settings name others.

    Args:
        settings: the database, the role's password, the scale and the random seed.
        required: those of `seed_scale` and `seed_random_seed` that an existing seed must match; by default
            those that are set explicitly.
        reference: the date before which all seeded times are; today (UTC) by default.
        progress: called for each step, on the calling thread.

    Raises:
        SeedConflictError: when there is a seed of another scale or random seed.
        UnseededDataError: when there are rows, but no seed.
        DatabaseError: when PostgreSQL cannot be reached or refuses a statement; nothing was kept.
    """
    plan = SeedPlan(
        scale=Decimal(str(settings.seed_scale)),
        random_seed=settings.seed_random_seed,
        reference=reference or clock.today(),
    )
    required = settings.model_fields_set if required is None else required
    report = progress or (lambda _: None)
    target = dsn(settings, Role.OWNER)
    begun = monotonic()
    with connect(target, application_name=APPLICATION) as connection:
        found = _recorded(connection, plan, required)
    loaded = Counter[str]()
    if not found:
        found, loaded = _load(target, plan, required, report)
    return SeedReport(
        scale=found.scale,
        random_seed=found.random_seed,
        loaded=bool(loaded),
        rows=loaded.total(),
        seconds=monotonic() - begun,
    )


def _load(
    target: str, plan: SeedPlan, required: Collection[str], report: Report
) -> tuple[SeedPlan, Counter[str]]:
    with connect(target, application_name=APPLICATION, autocommit=False) as connection:
        # Of two concurrent seeds, the second waits here, then finds the first one's manifest.
        rows(connection, f"LOCK TABLE seed_manifest, {', '.join(COLUMNS)}")
        if found := _recorded(connection, plan, required):
            return found, Counter()
        # Under the lock: without it, rows that another seed has just committed would be refused.
        _require_empty(connection)
        loaded = load(connection, plan.blocks(), expected_rows=plan.expected_rows, report=report)
        # Before the commit: if killed after it, a seed would count as complete, without statistics.
        for done, table in enumerate(COLUMNS):
            report(Progress(step=Step.STATISTICS, done=done, total=len(COLUMNS)))
            rows(connection, f"ANALYZE {table}")
        _record(connection, plan, loaded)
    report(Progress(step=Step.STATISTICS, done=len(COLUMNS), total=len(COLUMNS)))
    return plan, loaded


def _recorded(connection: Connection, plan: SeedPlan, required: Collection[str]) -> SeedPlan | None:
    """Return the plan of the seed in the database; None when it is not seeded."""
    manifest = rows(connection, "SELECT scale, random_seed FROM seed_manifest")
    if not manifest:
        return None
    [[scale, random_seed]] = manifest
    found = replace(plan, scale=scale, random_seed=random_seed)
    wanted = replace(
        plan,
        scale=plan.scale if "seed_scale" in required else scale,
        random_seed=plan.random_seed if "seed_random_seed" in required else random_seed,
    )
    if found != wanted:
        raise SeedConflictError(
            f"The database is seeded at scale {scale} with random seed {random_seed}; the settings"
            f" have scale {wanted.scale} with random seed {wanted.random_seed}.\nKeep the seed with"
            f" SEED_SCALE={scale} and SEED_RANDOM_SEED={random_seed} in .env, or remove the data:"
            " ./creditlab down --wipe"
        )
    return found


def _require_empty(connection: Connection) -> None:
    for table in COLUMNS:
        [[occupied]] = rows(connection, f"SELECT EXISTS (SELECT FROM {table})")
        if occupied:
            raise UnseededDataError(
                f"The table {table} has rows, but no seed is recorded: they are not the lab's.\n"
                "Seed another database (POSTGRES_DB in .env), or remove the data:"
                " ./creditlab down --wipe"
            )


def _record(connection: Connection, plan: SeedPlan, loaded: Counter[str]) -> None:
    rows(
        connection,
        "INSERT INTO seed_manifest"
        " (scale, random_seed, max_customer_id, max_proposal_id, max_contract_id)"
        " VALUES (%s, %s, %s, %s, %s)",
        [
            plan.scale,
            plan.random_seed,
            loaded["customers"],
            loaded["credit_proposals"],
            loaded["credit_contracts"],
        ],
    )
