"""The conditions of a measurement: whose processor time counts, what is too much noise, what is printed."""

import json
import subprocess
import sys

import psutil
import pytest
from rich.text import Text

from lab.bench import group
from lab.bench.machine import Conditions, Load, Machine, Watch, loop_figures, publish, watched
from lab.terminal.commands import LazyCommand

QUIET = {
    "seconds": 10.0, "busy": 0.9, "stolen": 0.01, "others": 0.01, "load_average": (0.1, 1.5),
    "loop_spread": 0.02, "loop_drift": -0.01,
}  # fmt: skip
# Half a second of processor time, and then it waits for its end.
BUSY = """
import sys, time
while time.process_time() < 0.5: pass
print(flush=True)
sys.stdin.read()
"""


def conditions(claim: float = 0.05, **load: object) -> Conditions:
    return Conditions(
        machine=Machine(
            date="2026-11-28 12:00 UTC", processors=2, model="A", memory_mb=8_000, system="Linux 6",
            versions={"lab": "1", "postgresql": "15.18"},
        ),
        load=Load(**{**QUIET, **load}),  # type: ignore[arg-type]
        claim=claim,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["stolen", "others", "loop_spread", "loop_drift"])
def test_each_disturbance_above_the_claim_is_named(name: str) -> None:
    """A disturbance as large as the claim is accepted; the drift counts in both directions."""
    assert conditions().noise == ()
    assert conditions(**{name: 0.05}).noise == ()
    [reason] = conditions(**{name: 0.061}).noise
    assert "6.1 %" in reason
    assert conditions(claim=0.1, **{name: 0.061}).noise == ()
    assert len(conditions(loop_drift=-0.2).noise) == 1


def test_the_processor_time_of_its_own_processes_is_not_that_of_others() -> None:
    """Children count from their start, and a process that is included from then on."""
    with watched(0.05) as watch, busy():
        own_cpu_s = watch.own_cpu_s()
    assert own_cpu_s > 0.4
    assert watch.conditions
    assert 0 <= watch.conditions.load.others <= watch.conditions.load.busy <= 1
    with busy() as process:
        later = Watch(claim=0.05, programs={})
        later.include([psutil.Process(process.pid)])
        assert 0 <= later.own_cpu_s() < 0.5


def busy() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_the_larger_spread_and_the_drift_of_the_loop() -> None:
    spread, drift = loop_figures([9.0, 10.0, 10.0, 11.0], [12.0, 12.0, 12.0, 12.0])
    assert spread == pytest.approx(0.15)
    assert drift == pytest.approx(0.2)


def test_the_result_is_printed_with_its_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    """A program receives the key `machine`; a person the same below the table; both a warning of noise."""
    watch = Watch(claim=0.05, programs={}, conditions=conditions(stolen=0.2))
    publish(watch, {"figure": 7}, lambda: Text("the table"), as_json=True)
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["figure"] == 7
    assert document["machine"]["versions"]["postgresql"] == "15.18"
    assert document["machine"]["noise"] == ["the hypervisor took 20.0 % (steal time)"]
    assert "too noisy for figures to 5%: the hypervisor took 20.0 %" in " ".join(
        printed.err.split()
    )
    watch.conditions = conditions()
    publish(watch, {"figure": 7}, lambda: Text("the table"), as_json=False)
    printed = capsys.readouterr()
    assert "the table" in printed.out
    assert "2 processors (A), 8,000 MB, Linux 6" in printed.out
    assert "lab 1, postgresql 15.18" in printed.out
    assert printed.err == ""


def test_every_benchmark_prints_a_document() -> None:
    """Its conditions are part of it: `publish` is what the module of each command prints by."""
    for name, lazy in group.commands.items():
        assert isinstance(lazy, LazyCommand)
        command = lazy.load()
        assert "--json" in {option for one in command.params for option in one.opts}, name
        assert command.callback
        assert sys.modules[command.callback.__module__].__dict__["publish"] is publish, name
