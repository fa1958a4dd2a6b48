"""`bench scale` as short as it can be: every figure of both axes, on a server and a console of its own."""

from lab.bench.pages import PAGES
from lab.bench.scale.server import COLLECTORS
from tests.fix_bench import Bench


def test_every_figure_is_measured(bench: Bench) -> None:
    found = bench("scale", "--scales", "0.02", "--spans", "1000", "--times", "1", "--minutes", "60")
    assert found["scale"]["skipped"] == found["spans"]["skipped"] == {}
    assert found["faster_than_the_data"] == []
    seconds = {
        axis: {one["what"]: one["seconds"] for one in found[axis]["growths"]}
        for axis in ("scale", "spans")
    }
    assert set(seconds["spans"]) == set(PAGES)
    assert set(seconds["scale"]) == {
        "seed", "verify", "exporter scrape", *(f"agent: {name}" for name in COLLECTORS),
    }  # fmt: skip
    for by_size in (*seconds["scale"].values(), *seconds["spans"].values()):
        assert min(by_size.values()) >= 0
    assert seconds["scale"]["seed"]["0.02"] > 0
    assert found["scale"]["stored_bytes"]["0.02"] > 1_000_000
