"""`bench scale`: exponents, what is called faster than the data, the budget, and what is printed."""

import io
from time import monotonic

import pytest
from rich.console import Console

from lab.bench.scale import command
from lab.bench.scale.command import Axis, Budget, tables, to_json
from lab.bench.scale.growth import expected_s, grown, growth
from lab.foundation.settings import LabSettings
from lab.terminal.options import numbers


@pytest.mark.parametrize(
    ("seconds", "exponent", "faster"),
    [
        ({1: 0.1, 10: 1.0, 100: 10.0}, 1.0, False),
        ({1: 0.1, 10: 10.0, 100: 1000.0}, 2.0, True),
        ({1: 0.001, 10: 0.1}, 2.0, True),
        ({1: 0.001, 10: 0.019}, 1.279, False),  # too short for its exponent to mean something
        ({1: 0.5, 100: 0.5}, 0.0, False),
        ({1: 0.5}, None, False),
        ({1: 0.0, 1000: 0.0}, 0.0, False),  # below the resolution of the kernel
    ],
)
def test_exponents(seconds: dict[float, float], exponent: float | None, *, faster: bool) -> None:
    found = growth("x", seconds)
    assert found.exponent == (exponent if exponent is None else pytest.approx(exponent))
    assert found.faster is faster


def test_a_figure_that_one_size_lacks_has_no_growth() -> None:
    found = grown({1: {"a": 1.0, "b": 1.0}, 10: {"a": 2.0}})
    assert [one.what for one in found] == ["a"]
    assert grown({}) == []


def test_a_size_beyond_the_budget_is_skipped_with_the_reason(
    lab_settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the seconds of the measured sizes, and by the free space of the lab's disk."""
    budget = Budget(settings=lab_settings, until_s=monotonic() + 1000)
    assert expected_s({10: 30.0}, 100) == 300.0
    assert expected_s({1: 12.0, 10: 30.0, 0.1: 9.0}, 100) == 30.0 + 2.0 * 90
    assert budget.refusal("scale", 1, {}) is None
    assert budget.refusal("scale", 100, {1: 12.0, 10: 30.0}) is None
    assert "expected 3,000 s" in (budget.refusal("scale", 1000, {10: 30.0}) or "")
    monkeypatch.setattr(command, "monotonic", lambda: 0.0)
    exact = Budget(settings=lab_settings, until_s=300.0)
    assert exact.refusal("scale", 100, {10: 30.0}) is None
    monkeypatch.setitem(command.BYTES, "scale", 10**15)
    assert "more than half of the free" in (budget.refusal("scale", 1, {}) or "")


@pytest.fixture
def lab_settings(tmp_path_factory: pytest.TempPathFactory) -> LabSettings:
    return LabSettings.model_construct(lab_state_dir=tmp_path_factory.mktemp("scale"))


def test_what_grows_faster_is_named_and_what_was_skipped() -> None:
    measured = {1.0: {"verify": 0.1, "scrape": 0.2}, 10.0: {"verify": 5.0, "scrape": 0.2}}
    axes = {
        "scale": Axis(
            stored_bytes={1.0: 80_000_000, 10.0: 800_000_000}, growths=grown(measured),
            skipped={100.0: "expected 900 s, 30 s of the budget are left"},
        )
    }  # fmt: skip
    assert to_json(axes)["faster_than_the_data"] == ["verify"]
    screen = Console(file=io.StringIO(), width=160)
    screen.print(tables(axes))
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.split() for line in text.splitlines()]
    assert ["verify", "0.100", "5.000", "1.70"] in lines
    assert ["size,", "MB", "80", "800"] in lines
    assert "grows faster than the data: verify" in text
    assert "skipped scale 100: expected 900 s" in text


def test_sizes_are_a_list_of_numbers() -> None:
    assert numbers(0.01, 1000)("10,1,1,0.1") == (0.1, 1.0, 10.0)
