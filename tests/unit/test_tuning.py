"""Signal levels of recorded stretches, and thresholds that are set on one half and tested on the other."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lab.clients.prometheus import Series
from lab.drills import stretches
from lab.drills.catalogue import DRILLS
from lab.drills.minutes import signals_by_drill
from lab.drills.running import DrillFiles
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.readings import Seen, reading
from lab.judge.signals import Metric
from lab.judge.tuning import Level, Stretch, Tuned, level, stretch, tune

NS = 1_000_000_000
T0 = 1_000_000 * NS
TRUTH = Truth(drill="d", injected_ns=T0, proven_ns=T0, healed_ns=T0 + 60 * NS)
EXPR = "m"


def series(*values: float, before: float = 0.0) -> Evidence:
    """One series: a value before the stretch, then one each ten seconds."""
    points = [(T0 - 5 * NS, before)]
    points += [(T0 + 10 * n * NS, value) for n, value in enumerate(values)]
    return Evidence(
        since_ns=T0 - 20 * NS, until_ns=T0 + 85 * NS,
        series={EXPR: (Series(labels={}, points=tuple(points)),)},
        last_data_ns={Observer.METRICS: T0 + 80 * NS},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "before", "points", "expected"),
    [
        ((0, 5, 3), 0.0, 1, 5.0),
        ((0, 5, 3), 0.0, 2, 3.0),
        ((0, 5, 0, 5), 0.0, 2, 0.0),
        ((5, 0, 0), 0.0, 1, 5.0),
        ((0, 5, 3), 2.0, 1, 5.0),
        ((0, 5, 3), 3.0, 1, 0.0),
        ((0, 0, 0, 0, 0, 0, 0, 0, 7), 0.0, 1, 7.0),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 7), 0.0, 1, 0.0),
    ],
)
def test_the_level_is_the_largest_threshold_that_shows_the_fault(
    values: tuple[float, ...], before: float, points: int, expected: float
) -> None:
    """By the rules of a reading: in a row, above twice the baseline, until 20 s after the heal."""
    signal = Metric(says="m", expr=EXPR, above=0, points=points)
    evidence = series(*values, before=before)
    found = level(signal, evidence, TRUTH)
    assert found == expected
    assert found is not None
    for above, seen in ((found, False), (found - 0.01, found > 0)):
        result = reading(replace(signal, above=max(above, 0)), evidence, TRUTH)
        assert (result.seen is Seen.SEEN) is seen


def test_the_level_of_an_observer_without_data_is_unknown() -> None:
    signal = Metric(says="m", expr=EXPR, above=1)
    assert level(signal, replace(series(0), last_data_ns={}), TRUTH) is None
    assert level(signal, series(0), TRUTH) == 0.0


def recorded(quiet: list[float | None], fault: list[float | None]) -> list[Stretch]:
    found = []
    for name, levels in ((None, quiet), ("d", fault)):
        for n, value in enumerate(levels):
            one = Level(drill="d", observer=Observer.METRICS, says="m", level=value)
            found.append(Stretch(began_ns=n, fault=name, levels=(one,)))
    return found


def tuned(quiet: list[float | None], fault: list[float | None], above: float = 50.0) -> Tuned:
    signals = {"d": (Metric(says="m", expr=EXPR, above=above),)}
    [found] = tune(recorded(quiet, fault), signals)
    return found


def test_a_threshold_lies_between_the_levels_of_the_tuning_half() -> None:
    """Of 4 and 100 it is 20; the held-out half has one false positive, and one fault that is missed."""
    found = tuned([4, 30, 2, 1], [100, 10, 900, 200])
    assert (found.quiet, found.fault, found.tuned) == (4, 100, 20.0)
    assert found.with_tuned is not None
    assert (found.with_tuned.false_positives, found.with_tuned.minutes) == (1, 2)
    assert (found.with_tuned.misses, found.with_tuned.faults) == (1, 2)
    assert (found.with_current.false_positives, found.with_current.misses) == (0, 1)


def test_a_level_at_the_threshold_does_not_exceed_it() -> None:
    """Without a fault it is no false positive, with one it is a miss."""
    found = tuned([4, 30, 2, 31], [100, 30, 900, 31], above=30.0)
    assert (found.with_current.false_positives, found.with_current.misses) == (1, 1)


@pytest.mark.parametrize(
    ("quiet", "fault", "expected"),
    [(100.0, 101.0, 100.0), (98.9, 99.0, 98.949987), (5.0, 5.0, 0.0), (1234.0, 5678.0, 2600.0)],
)
def test_a_threshold_has_two_digits_if_it_still_separates(
    quiet: float, fault: float, expected: float
) -> None:
    """From the level without a fault on, and below that of the fault; equal levels cannot be separated."""
    assert tuned([quiet, 0], [fault, 0]).tuned == pytest.approx(expected, abs=1e-6)


def test_without_noise_it_is_half_of_the_faults_level() -> None:
    assert tuned([0, 0], [16, 16]).tuned == 8.0


def test_levels_that_overlap_give_the_fewest_errors() -> None:
    found = tuned([1, 0, 9, 0, 2, 0], [5, 0, 12, 0])
    assert found.tuned == 2.0, "one false positive of 9, no miss"


@pytest.mark.parametrize(
    ("quiet", "fault"), [([], [5.0, 5.0]), ([1.0, 1.0], []), ([None, None], [5.0])]
)
def test_without_both_kinds_of_stretches_no_threshold_is_set(
    quiet: list[float | None], fault: list[float | None]
) -> None:
    """A stretch in which the observer had no data counts for nothing."""
    found = tuned(quiet, fault)
    assert (found.tuned, found.with_tuned) == (None, None)


def test_the_fault_of_another_drill_counts_for_nothing() -> None:
    other = replace(recorded([], [7.0])[0], fault="e")
    [found] = tune([other], {"d": (Metric(says="m", expr=EXPR, above=1),)})
    assert (found.quiet, found.fault) == (None, None)


def test_stretches_are_read_back_and_a_damaged_line_is_named(tmp_path: Path) -> None:
    place = DrillFiles(Paths(state=tmp_path))
    one = stretch(series(0, 9), TRUTH, {"d": (Metric(says="m", expr=EXPR, above=1),)}, fault=True)
    stretches.append(place, one)
    stretches.append(place, replace(one, began_ns=5))
    assert list(stretches.read(place.minutes)) == [one, replace(one, began_ns=5)]
    with place.minutes.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(LabError, match="line 3"):
        list(stretches.read(place.minutes))
    with pytest.raises(LabError, match="drill quiet"):
        list(stretches.read(tmp_path / "absent"))


def test_a_long_file_keeps_its_newest_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "MAX_BYTES", 2_000)
    monkeypatch.setattr(stretches, "KEPT_LINES", 3)
    place = DrillFiles(Paths(state=tmp_path))
    for began_ns in range(100):
        stretches.append(place, Stretch(began_ns=began_ns, fault=None, levels=()))
    found = [one.began_ns for one in stretches.read(place.minutes)]
    assert found[-1] == 99
    assert len(found) < 60


def test_the_command_prints_thresholds_and_errors(
    tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of real signals: quiet minutes at 0, faults at 16 sessions."""
    signal = signals_by_drill()["row-lock-chain"][0]
    lines = []
    for n in range(4):
        one = Level(drill="row-lock-chain", observer=signal.observer, says=signal.says, level=0.0)
        lines.append(Stretch(began_ns=n, fault=None, levels=(one,)))
        lines.append(
            Stretch(began_ns=n, fault="row-lock-chain", levels=(replace(one, level=16.0),))
        )
    file = tmp_path / "minutes.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    assert call("drill", "tune", str(file), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == sum(len(drill.signals) for drill in DRILLS.values())
    [own] = [one for one in found if one["quiet"] is not None]
    assert (own["drill"], own["tuned"], own["with_tuned"]["misses"]) == ("row-lock-chain", 8.0, 0)
    assert call("drill", "tune", str(file)) == 0
    out = capsys.readouterr().out
    assert "4 minutes without a fault and 4 faults were recorded." in " ".join(out.split())
