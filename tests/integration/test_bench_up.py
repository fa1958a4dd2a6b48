"""`bench up`: a cold and a warm start of a real lab, and the imports without which none starts."""

import json
from collections.abc import Callable

import pytest

from lab.bench.up import LIBRARIES, Floor, Up, tables
from tests.unit.test_bench_commands import lines


def test_starts_are_measured_beside_their_libraries(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first start has an empty cluster, the second its data; every component has CPU time until ready."""
    assert call("bench", "up", "--times", "1", "--scale", "0.01", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    starts = document["starts"]
    assert [each["kind"] for each in starts] == ["cold", "warm"]
    for each in starts:
        assert 0 < each["ready_s"] <= each["drilldown_s"]
        assert each["cpu_s"].keys() > {*LIBRARIES, "postgres", "prometheus", "postgres_exporter"}
        assert min(each["cpu_s"].values()) > 0
    floor = document["floor"]
    assert floor["cpu_s"].keys() == LIBRARIES.keys()
    assert floor["seconds"] > 0


def test_a_person_reads_medians_and_the_floor() -> None:
    """A component without libraries of Python has no floor; the total is the median of the starts' totals."""
    starts = [
        Up(kind="cold", ready_s=9.0, drilldown_s=9.5, cpu_s={"up": 2.0}),
        *(
            Up(kind="warm", ready_s=s, drilldown_s=s + 1, cpu_s={"up": s / 10, "postgres": 0.5})
            for s in (3.0, 4.0, 8.0)
        ),
    ]
    printed = lines(tables(starts, Floor(cpu_s={"up": 0.25}, seconds=2.0)))
    assert ["cold", "9.0", "9.5"] in printed
    assert ["warm", "4.0", "5.0"] in printed
    assert ["postgres", "0.50"] in printed
    assert ["up", "0.40", "0.25"] in printed
    assert ["total", "0.90", "0.25"] in printed
