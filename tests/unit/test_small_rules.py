"""Small rules of several modules, each at its boundary: what is chosen, what is counted, what is written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from lab.drilldown.trace import trace
from lab.drills.faults import stale_statistics
from lab.drills.scene import Scene
from lab.exam.experiment import wilson
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge import collect_metrics
from lab.mcp.tools import apm
from lab.stack import probes
from lab.stack.intake_rates import IntakeRates
from lab.stack.prometheus_configuration import configure
from lab.telemetry.check.aggregation import _Sampled, _value
from lab.telemetry.intake import dbm_metadata
from lab.telemetry.store import TraceStats
from tests import evidence as of
from tests.evidence import START
from tests.fix_store import Store

S = 1_000_000_000
RATES: dict[str, Any] = {"spans_per_s": 1.5, "dbm_events_per_min": 2.0, "log_lines_per_s": 3.0}


def test_the_longest_spans_are_shown_in_their_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apm, "MAX_SPANS", 2)
    spans = [of.root(1, ms=400), of.statement(1, 2, ms=10), of.statement(1, 3, ms=300)]
    store.writer.commit(spans, timeout_s=60)
    found = trace(store.reader, of.trace_id(1)).spans
    assert [span.duration_ms for span in apm._chosen(found)] == [400, 300]


@pytest.mark.parametrize(
    ("last", "at_s", "rate"),
    [(15.0, 20.0, 0.5), (5.0, 20.0, 0.0), (4.0, 20.0, None), (9.0, 10.0, None), (9.0, 9.0, None)],
)
def test_a_rate_is_the_growth_per_second_and_unknown_without_one(
    last: float, at_s: float, rate: float | None
) -> None:
    """Of a counter that was reset, and of two values of the same time, nothing is known."""
    known = cast("_Sampled", type("Known", (), {"last": last, "at_s": at_s, "before": (5.0, 10.0)}))
    expected = rate if rate is None else (last - 5.0) / (at_s - 10.0)
    assert _value("rate", known) == expected


def test_rates_of_a_console_that_reports_no_more_than_it_must(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an older console does not report counts as none."""
    page = {"rates": RATES, "store_bytes": 7}
    monkeypatch.setattr(probes, "page", lambda *_: json.dumps(page))
    settings = LabSettings(_env_file=None)
    assert IntakeRates.fetch(settings) == IntakeRates(
        **RATES, store_bytes=7, refused_records=0, metric_names_kept=0, metric_names_counted=0
    )
    page |= {"refused_records": {"old": 2, "new": 3}, "metric_names": {"kept": 4, "counted": 5}}
    found = IntakeRates.fetch(settings)
    assert found is not None
    assert (found.refused_records, found.metric_names_kept, found.metric_names_counted) == (5, 4, 5)
    assert "4 names stored, 5 only counted" in str(found)
    assert "names stored" not in str(IntakeRates(**RATES, store_bytes=7))
    monkeypatch.setattr(probes, "page", lambda *_: None)
    assert IntakeRates.fetch(settings) is None


def test_statistics_come_from_an_agent_or_from_spans(store: Store) -> None:
    """An Agent's, where it sent them: spans are its sample."""
    window = [START, START + 60 * S]
    store.writer.commit([of.root(1, ms=400), of.root(2, ms=300, error=True)], timeout_s=60)
    [own] = collect_metrics._trace_stats(store.reader, window)
    assert (own.hits, own.errors, own.duration_ns) == (2, 1, 700_000_000)
    sent = TraceStats(
        at_ns=START + 10 * S, interval_ns=10 * S, service="credit-risk", name="credit.operation",
        hits=50, errors=0, duration_ns=S,
    )  # fmt: skip
    store.writer.commit([sent], timeout_s=60)
    assert collect_metrics._trace_stats(store.reader, window) == [sent]
    assert collect_metrics._trace_stats(store.reader, [START + 11 * S, START + 60 * S]) == []


def test_prometheus_gets_all_its_files(tmp_path: Path) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path, console_port=9999)
    directory = tmp_path / "prometheus"
    (directory / "old").mkdir(parents=True)
    configure(directory, settings, {"risk": 8005})
    found = {
        file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()
    }
    assert {"prometheus.yml", "rules/alerts.yml"} <= found
    assert not (directory / "old").exists()
    assert any(name.startswith("targets/") for name in found)
    assert ":9999" in (directory / "rules" / "alerts.yml").read_text()
    assert ":8088" not in (directory / "rules" / "alerts.yml").read_text()
    assert Paths.of(settings).state == tmp_path


class _Scene:
    """A scene whose plan scans a table, and whose counter of scans has grown."""

    def __init__(self, table: str, scans: float) -> None:
        self._plan = {
            "Node Type": "Limit",
            "Plans": [{"Node Type": "Seq Scan", "Relation Name": table}],
        }
        self._scans = scans

    def ask(self, sql: str, _: Sequence[object] = ()) -> list[list[Any]]:
        return [[[{"Plan": self._plan}]]] if sql == stale_statistics.EXPOSURE else [[7]]

    def since(self, *_: object) -> float:
        return self._scans


@pytest.mark.parametrize(
    ("table", "scans", "holds"),
    [("installments", 1.0, True), ("installments", 0.0, False), ("customers", 1.0, False)],
)
def test_old_statistics_are_proven_by_the_plan_and_by_scans(
    table: str, scans: float, holds: bool
) -> None:
    proof = stale_statistics.prove(cast("Scene", _Scene(table, scans)))
    assert proof.holds is holds
    assert ("reads all" in proof.says) is (table == "installments")


def test_numbers_of_metadata_are_kept_below_a_bound() -> None:
    oid = next(iter(dbm_metadata.OIDS))
    for key, bound in (("x", dbm_metadata.MOST), (oid, dbm_metadata.MOST_OID)):
        assert dbm_metadata._clean(bound - 1, 0, key) == bound - 1
        assert dbm_metadata._clean(1 - bound, 0, key) == 1 - bound
        assert dbm_metadata._clean(bound, 0, key) is None


def test_an_interval_of_a_share_has_three_digits() -> None:
    assert wilson(3, 10) == (0.108, 0.603)
    assert wilson(0, 0) == (0.0, 1.0)
