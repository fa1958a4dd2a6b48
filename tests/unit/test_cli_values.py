"""What options take: every default is parsed, and no option takes a number that nothing can work with."""

import sys
from pathlib import Path

import pytest
import typer

from lab.cli import main
from lab.foundation.settings import LabSettings
from lab.stack.up_options import UpOptions
from lab.terminal.options import MAX_DURATION_S, names, number, seconds
from tests.commands import Command, all_commands
from workload.errors import SettingsError
from workload.limits import MAX_LOAD

COMMANDS = {command.name: command for command in all_commands()}
ODD = ("inf", "-inf", "nan", "-1", "1e400", "9" * 400, "", "1,5", "much")
# Any whole number is a seed.
ANY_INTEGER = {("drill random", "--seed")}


def test_the_walk_finds_what_the_table_of_commands_holds() -> None:
    assert {"up", "compare", "drill quiet", "drill run", "bench load"} <= set(COMMANDS)
    assert "--no-shop" in dict(COMMANDS["up"].options)
    assert "--for" in dict(COMMANDS["drill quiet"].options)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_without_options_can_be_parsed(command: Command) -> None:
    """A default is what its option's parser gives, not something that the parser has never seen."""
    command.parse()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_no_option_takes_a_number_that_is_none(command: Command) -> None:
    """Infinity, not-a-number, negative and endless ones are refused with a message, whatever the option."""
    for option, kind in command.numbers():
        for odd in ODD:
            if (command.name, option) in ANY_INTEGER and kind is int and odd in {"-1", "9" * 400}:
                continue
            with pytest.raises(typer.BadParameter):
                command.parse(option, odd)


def test_durations_are_read_and_numbers_are_left_as_they_are() -> None:
    assert [seconds(text) for text in ("60s", "5m", "1h", "1.5", "90")] == [60, 300, 3600, 1.5, 90]
    assert seconds(600.0) == 600.0
    assert seconds(f"{MAX_DURATION_S:.0f}s") == MAX_DURATION_S
    for wrong in ("0s", "-1s", "1d", "5 m", "", "\u0663s", "169h", "9" * 30):
        with pytest.raises(typer.BadParameter, match="is not a duration"):
            seconds(wrong)


def test_the_bounds_of_a_number_belong_to_it() -> None:
    read = number(0, MAX_LOAD)
    assert (read("0"), read("1e4"), read(2.5)) == (0, MAX_LOAD, 2.5)
    with pytest.raises(typer.BadParameter, match="not a number from 0 to 10000"):
        read("10000.1")


def test_a_list_of_names_that_names_nothing_is_refused() -> None:
    """`--services ,` must not be taken for all, nor for none."""
    assert names(None, "--services", "service") is None
    assert names(" risk ,,risk,customers", "--services", "service") == ("risk", "customers")
    for nothing in (",", "", " , "):
        with pytest.raises(typer.BadParameter, match="names no service"):
            names(nothing, "--services", "service")


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--native", "--load", "1e9"],
        ["up", "--native", "--load", "inf"],
        ["up", "--native", "--load", "nan"],
        ["up", "--native", "--load", "-1"],
        ["up", "--native", "--scale", "1e9"],
        ["up", "--native", "--services", ","],
        ["drill", "all", "--only", ","],
        ["compare", "--since", "9999999h"],
    ],
)
def test_what_is_refused_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
) -> None:
    """One message, status 2, and no file: the next `up` knows nothing of it."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["creditlab", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_remembered_load_that_no_up_accepts_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What an earlier version remembered is not handed to the services."""
    file = tmp_path / "state.json"
    file.write_text('{"services": null, "scale": null, "load": 1e9, "shop": null, "settings": {}}')
    assert UpOptions.read(file) is None
    assert "load 1000000000.0 is not between 0 and 10000" in caplog.text


def test_processes_that_were_killed_forget_no_option(settings: LabSettings) -> None:
    """What `up` asked for holds until `down`; a `down` leaves only the scale, which belongs to the data."""
    asked = UpOptions(services=("risk",), load=3.0, shop=True, scale=0.1, prepared=True)
    again = asked.with_settings(settings).to_start_again(settings)
    assert again == UpOptions(services=("risk",), load=3.0, shop=True, scale=0.1)
    named = settings.model_copy(update={"seed_scale": 2.0})
    assert named.model_fields_set >= {"seed_scale"}
    assert asked.to_start_again(named).scale is None
    assert UpOptions(scale=0.1).to_start_again(settings) == UpOptions(scale=0.1)


@pytest.fixture
def settings() -> LabSettings:
    return LabSettings(_env_file=None)


def numeric_settings() -> list[str]:
    """Return the settings that are numbers."""
    return [
        name
        for name, field in LabSettings.model_fields.items()
        if any(kind.__name__ in str(field.annotation) for kind in (int, float))
    ]


@pytest.mark.parametrize("name", numeric_settings())
@pytest.mark.parametrize("odd", ["inf", "-inf", "nan", "-1", "1e300", "9" * 40])
def test_no_setting_takes_a_number_that_nothing_can_work_with(
    monkeypatch: pytest.MonkeyPatch, name: str, odd: str
) -> None:
    """STORE_MAX_AGE_HOURS=inf is one of them: each is named, and what was expected of it."""
    if name in {"workload_random_seed", "seed_random_seed"} and odd in {"-1", "9" * 40}:
        pytest.skip("any whole number is a seed")
    monkeypatch.setenv(name.upper(), odd)
    with pytest.raises(SettingsError, match=name.upper()):
        LabSettings.load()
