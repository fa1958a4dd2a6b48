"""`DATADOG_AGENT=check`: the checkout that the user names, its environment, and how it is shown."""

import shutil
from pathlib import Path

import pytest

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack import agent
from lab.stack.agent import Agent
from lab.stack.check import Checkout
from lab.stack.native.commands import COMMANDS, Launch
from lab.telemetry.check.aggregation import Aggregation
from lab.telemetry.check.bridge import CheckFailedError, configuration
from tests.standins import datadog_check


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(
        _env_file=None,
        lab_state_dir=tmp_path / "state",
        datadog_agent="check",
        datadog_check_source=datadog_check.install(tmp_path / "source"),
    )


def test_a_checkout_takes_the_place_of_the_embedded_agent(settings: LabSettings) -> None:
    """Without an Agent, without links to an account, and marked as what it is."""
    chosen = agent.chosen(settings)
    assert (chosen.datadog_agent, Agent.of(chosen)) == ("check", None)
    assert chosen.lab_datadog_site is None
    command = COMMANDS["datadog"](Launch(settings=chosen, services=()))
    assert command.version == "23.0.0 (Datadog's check, without the Agent)"
    assert command.argv[-1] == "lab.telemetry.check"
    assert command.environment["DATADOG_CHECK_SOURCE"] == str(settings.datadog_check_source)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("unset", "DATADOG_AGENT=check needs Datadog's source"),
        ("absent", "is not a directory"),
        ("empty", "it has no datadog_checks_base/datadog_checks/base/__about__.py"),
        ("without postgres", "it has no postgres/datadog_checks/postgres/__about__.py"),
        ("old", "has the postgres check 18.2.1; expected 19.0.0 or later"),
        ("no version", "has no version such as 23.0.0"),
        ("no project", "pyproject.toml cannot be read"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(
    what: str, message: str, settings: LabSettings, tmp_path: Path
) -> None:
    """With what was found, what was expected, and what to do."""
    source: Path | None = settings.datadog_check_source
    assert source
    if what == "unset":
        source = None
    elif what == "absent":
        source = tmp_path / "nothing"
    elif what == "empty":
        source = tmp_path
    elif what == "without postgres":
        shutil.rmtree(source / "postgres")
    elif what == "old":
        source = datadog_check.install(tmp_path / "old", version="18.2.1")
    elif what == "no version":
        (source / "postgres/datadog_checks/postgres/__about__.py").write_text("")
    else:
        (source / "postgres/pyproject.toml").write_text("[project")
    with pytest.raises(LabError) as refused:
        agent.chosen(settings.model_copy(update={"datadog_check_source": source}))
    assert message in str(refused.value)
    assert "\n" in str(refused.value)


def test_its_environment_is_created_once_and_again_when_its_contents_change(
    settings: LabSettings, tmp_path: Path
) -> None:
    """A virtual environment of its own, below the lab's state; the checkout is not changed."""
    said: list[str] = []
    source = settings.datadog_check_source
    assert source
    before = sorted(path.name for path in source.rglob("*"))
    Checkout.examine(settings).prepare(settings, said.append)
    assert Paths.of(settings).check_python.exists()
    assert (Paths.of(settings).check / "venv" / "pyvenv.cfg").exists()
    assert len(said) == 1
    Checkout.examine(settings).prepare(settings, said.append)
    assert len(said) == 1
    assert sorted(path.name for path in source.rglob("*")) == before
    broken = datadog_check.install(
        tmp_path / "broken", requirements='["absent @ file:///nothing/absent-1.0.tar.gz"]'
    )
    other = settings.model_copy(update={"datadog_check_source": broken})
    with pytest.raises(LabError, match="its dependencies cannot be prepared") as failed:
        Checkout.examine(other).prepare(other, said.append)
    assert f"-m pip --python {Paths.of(other).check_python} install" in str(failed.value)


def test_a_python_that_is_too_old_is_refused(settings: LabSettings, tmp_path: Path) -> None:
    newer = datadog_check.install(tmp_path / "newer", python="3.99")
    other = settings.model_copy(update={"datadog_check_source": newer})
    with pytest.raises(LabError, match=r"needs Python 3\.99 or later") as refused:
        Checkout.examine(other).prepare(other, lambda _: None)
    assert "DATADOG_CHECK_PYTHON" in str(refused.value)
    absent = settings.model_copy(update={"datadog_check_python": tmp_path / "python"})
    with pytest.raises(LabError, match="its Python cannot be prepared"):
        Checkout.examine(absent).prepare(absent, lambda _: None)


def test_the_configuration_has_the_values_of_its_variables() -> None:
    """Inside double quotes, whatever they are; a missing one is named, comments are no settings."""
    text = '# %%env_NAME%%\npassword: "%%env_SECRET%%"\nport: 5432\n'
    found = configuration(text, {"SECRET": 'a"b\\c'}, port=25432)
    assert found == 'password: "a\\"b\\\\c"\nport: 25432'
    with pytest.raises(CheckFailedError, match="SECRET"):
        configuration(text, {}, port=1)


def test_values_become_points_as_in_the_agent() -> None:
    """A gauge is its last value, a count its sum; a rate and a monotonic count need two values."""
    aggregation = Aggregation(tags=["agent:check"])

    def run(at_s: float, **values: tuple[str, float]) -> dict[str, float]:
        for name, (kind, value) in values.items():
            aggregation.add(kind, name, value, tags=["db:d"], host="h", first=False, at_s=at_s)
        found = {}
        for series in aggregation.commit(at_s):
            assert series["tags"] == ["db:d", "agent:check"]
            [point] = series["points"]  # type: ignore[misc]
            found[str(series["metric"])] = point["value"]  # type: ignore[has-type]
        return found

    first = {"g": ("gauge", 7.0), "r": ("rate", 10.0), "m": ("monotonic_count", 5.0)}
    assert run(0.0, **first, c=("count", 2.0)) == {"g": 7.0, "c": 2.0}
    second = {"r": ("rate", 40.0), "m": ("monotonic_count", 8.0)}
    assert run(15.0, **second) == {"r": 2.0, "m": 3.0}
    # A counter that was reset: no rate, and nothing was counted.
    assert run(30.0, r=("rate", 1.0), m=("monotonic_count", 1.0)) == {"m": 0.0}
    assert run(45.0, h=("histogram", 1.0)) == {}
