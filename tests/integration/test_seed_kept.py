"""A database that is seeded keeps its scale where none is asked for, and refuses one that is."""

from collections.abc import Collection

import pytest

from lab.foundation.settings import LabSettings
from lab.seed import SeedConflictError, ensure, gatekeeper
from tests.fix_postgres import Database

SCALE, RANDOM_SEED = 0.01, 16


@pytest.fixture
def settings(database: Database) -> LabSettings:
    """Settings of a database with a seed of its own, that name neither scale nor random seed."""
    given = {"seed_scale": SCALE, "seed_random_seed": RANDOM_SEED}
    assert ensure(database.settings.model_copy(update=given)).loaded
    return LabSettings.model_validate(database.settings.model_dump(exclude=set(given)))


def test_the_scale_and_random_seed_of_the_data_are_kept(settings: LabSettings) -> None:
    """Nothing is loaded, and the report has the values of the database, not the defaults."""
    found = ensure(settings)
    assert (float(found.scale), found.random_seed, found.loaded) == (SCALE, RANDOM_SEED, False)
    assert found.summary == "scale 0.01, kept from an earlier run"


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({"seed_scale": 1.0}, None),
        ({"seed_random_seed": 15}, None),
        ({}, {"seed_scale"}),
        ({}, {"seed_random_seed"}),
    ],
)
def test_what_is_asked_for_is_compared(
    settings: LabSettings, given: dict[str, float], required: Collection[str] | None
) -> None:
    """Also a value that happens to be the default."""
    with pytest.raises(SeedConflictError, match=r"seeded at scale 0\.01 with random seed 16"):
        ensure(settings.model_copy(update=given), required=required)


def test_a_remembered_scale_is_not_asked_for(settings: LabSettings) -> None:
    """The scale of a state file that belongs to other data gives way to that of the database."""
    remembered = settings.model_copy(update={"seed_scale": 0.5})
    assert float(ensure(remembered, required=()).scale) == SCALE


def test_the_seed_job_refuses_only_a_scale_that_is_set(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In containers SEED_SCALE is in the job's environment when `.env` or `--scale` name it."""

    def run(given: LabSettings) -> tuple[int, str]:
        monkeypatch.setattr(LabSettings, "load", classmethod(lambda _: given))
        status = gatekeeper.main()
        return status, "".join(capsys.readouterr())

    status, said = run(settings)
    assert status == 0, said
    assert "scale 0.01: already loaded" in said
    status, said = run(settings.model_copy(update={"seed_scale": 1.0}))
    assert status == 2
    assert "Keep the seed with SEED_SCALE=0.01" in said
