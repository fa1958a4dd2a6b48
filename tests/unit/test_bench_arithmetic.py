"""What benchmarks send, and the arithmetic of their figures, from made values."""

import json
from collections import Counter
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from lab.bench import intake
from lab.bench.cost.reading import _summed
from lab.bench.load import measure as load
from lab.bench.load.job import Done
from lab.bench.load.measure import PGBENCH, PROCESSES, LoadPlan
from lab.bench.load.scenarios import MIX, POINT
from lab.bench.load.scripts import Sample, one_of, write
from lab.bench.load.services import _part, counted, idle, quantile
from lab.bench.load.worker import _at
from lab.bench.overhead import measure as overhead
from lab.bench.overhead.observers import observed, sink
from lab.clients.services import Sample as Counted
from lab.clients.services import ServiceClient
from lab.foundation.settings import LabSettings
from workload.services import SERVICES
from workload.settings import Settings
from workload.statements import STATEMENTS


@pytest.mark.parametrize(
    ("share", "buckets", "expected"),
    [
        (0.75, {0.1: 5.0, 0.2: 10.0, float("inf"): 10.0}, 0.15),
        (0.25, {0.1: 5.0, 0.2: 10.0, float("inf"): 10.0}, 0.05),
        (0.5, {0.1: 0.0, 0.2: 0.0, 0.4: 8.0, float("inf"): 8.0}, 0.3),
        (0.0, {0.1: 0.0, 0.2: 10.0, float("inf"): 10.0}, 0.0),
        (1.0, {0.1: 5.0, 0.2: 10.0, float("inf"): 10.0}, 0.2),
    ],
)
def test_a_quantile_is_interpolated_in_its_bucket(
    share: float, buckets: dict[float, float], expected: float
) -> None:
    """As by histogram_quantile: from the bucket's lower bound, in proportion to the rank."""
    assert quantile(share, buckets) == pytest.approx(expected)


def sample(name: str, value: float, **labels: str) -> Counted:
    return Counted(name=name, labels=labels, value=value)


def test_counters_of_services_are_summed_by_outcome_or_bucket() -> None:
    """The same metric of two services is one; another label does not divide it."""
    services = [
        SimpleNamespace(samples=lambda: [sample("ops", 3, outcome="ok"), sample("ops", 1, outcome="error")]),
        SimpleNamespace(samples=lambda: [sample("ops", 4, outcome="ok"), sample("delay", 2, le="0.1")]),
        SimpleNamespace(samples=lambda: [sample("other", 7, operation="x")]),
    ]  # fmt: skip
    assert counted(cast("list[ServiceClient]", services)) == {
        ("ops", "ok"): 7, ("ops", "error"): 1, ("delay", "0.1"): 2, ("other", ""): 7,
    }  # fmt: skip
    assert _part(sample("x", 1, outcome="ok", le="0.1")) == "ok"
    assert _summed([sample("a", 2), sample("a", 3, table="spans"), sample("b", 1, table="plans")]) == {
        "a": 5, ("a", "spans"): 3, "b": 1, ("b", "plans"): 1,
    }  # fmt: skip


def test_idle_services_have_ports_of_their_own_and_no_load() -> None:
    found = idle(LabSettings.model_construct())
    ports = {getattr(found, f"{name}_port") for name in SERVICES}
    assert len(ports) == 5
    assert found.workload_load == 0.0


def test_observers_of_a_benchmark_have_ports_of_their_own() -> None:
    """The agent is the embedded one, and sends to the receiver of the benchmark."""
    before = LabSettings(_env_file=None)
    found = observed(before, console_port=7)
    assert (found.console_port, found.datadog_agent) == (7, "embedded")
    assert found.exporter_port != before.exporter_port
    assert found.embedded_agent_port not in {before.embedded_agent_port, found.exporter_port}


def test_the_extent_of_a_run_counts_its_turns() -> None:
    """In each round seven contestants in three scenarios, and two at a rate; once the five services."""
    plan = LoadPlan(seconds=2, rounds=3, connections=1, rate=100)
    assert plan.turns == 3 * (7 * 3 + 2) + 1
    assert plan.processes == 1


def test_start_delays_are_medians_of_rounds_and_the_ratio_is_within_a_round() -> None:
    """Delays in milliseconds; percentiles by rank of a hundred."""
    delays = [n / 1000 for n in range(1, 100)]
    assert load._p50_and_p99_ms(delays) == pytest.approx((50.0, 99.0))
    rounds = [
        {PGBENCH: (1.0, 10.0), PROCESSES: (2.0, 30.0)},
        {PGBENCH: (3.0, 20.0), PROCESSES: (4.0, 20.0)},
        {PGBENCH: (5.0, 40.0), PROCESSES: (9.0, 80.0)},
    ]
    found = load._start_delays(rounds)
    assert found.p50_ms == {PGBENCH: 3.0, PROCESSES: 4.0}
    assert found.p99_ms == {PGBENCH: 20.0, PROCESSES: 30.0}
    assert found.ratio == 2.0


def done(**figures: Any) -> Done:
    known: dict[str, Any] = {
        "operations": 10, "errors": 0, "seconds": 1.0, "start_delays": [], "durations": [],
        "cpu_seconds": 0.005, "statements": 20,
    }  # fmt: skip
    return Done(**{**known, **figures})


def test_a_profile_divides_the_threads_own_time_by_its_samples() -> None:
    """In microseconds per operation; time of other threads is the writer's."""
    found = overhead._parts(done(parts={"spans": 3, "engine": 1}, other_cpu_seconds=0.001))
    assert found == {
        "engine": pytest.approx(100.0), "spans": pytest.approx(300.0),
        overhead.WRITER: pytest.approx(100.0),
    }  # fmt: skip
    assert overhead._parts(done()) == {overhead.WRITER: 0.0}


def test_a_receiver_counts_payloads_and_answers_as_an_agent() -> None:
    """It lists the paths of traces at /info; of other requests it keeps the length of the body."""
    with sink() as receiver:
        connection = HTTPConnection("127.0.0.1", receiver.port, timeout=60)
        for method, path, body in (
            ("GET", "/info", b""), ("GET", "/x", b""), ("POST", "/v0.5/traces", b"12345"),
            ("PUT", "/v0.4/traces", b"12"),
        ):  # fmt: skip
            connection.request(method, path, body)
            answer = connection.getresponse()
            assert answer.status == 200
            document = json.loads(answer.read())
            if path == "/info":
                assert "/v0.5/traces" in document["endpoints"]
                assert document["client_drop_p0s"] is True
            else:
                rates = {} if method == "GET" else {"rate_by_service": {"service:,env:": 1.0}}
                assert document == rates
        connection.close()
        assert (receiver.lengths, receiver.received) == ([5, 2], 7)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_pgbench_draws_each_value_by_its_index(size: int) -> None:
    """A binary search: as deep as the logarithm of the number of values."""
    values = [100 + n for n in range(size)]
    expression = one_of(values)
    for at, value in enumerate(values):
        assert evaluated(expression, at) == value
    assert expression.count("CASE") == size - 1


def evaluated(expression: str, at: int) -> int:
    words = expression.replace(":at", str(at)).split()
    while words[0] == "CASE":
        # CASE WHEN 3 < 4 THEN ... ELSE ... END
        is_low, rest = int(words[2]) < int(words[4]), words[6:]
        depth, split = 0, 0
        for split, word in enumerate(rest):  # noqa: B007 - used below
            depth += {"CASE": 1, "END": -1}.get(word, 0)
            if depth == 0 and word == "ELSE":
                break
        words = rest[:split] if is_low else rest[split + 1 : -1]
    [value] = words
    return int(value)


def test_a_scenario_is_a_script_for_each_operation_with_its_weight(tmp_path: Any) -> None:
    known = Sample(customers=((1, 111), (2, 222)), customer=20, contract=18, product=4)
    [only] = write(POINT, known, tmp_path)
    assert only == f"--file={tmp_path / 'point.sql'}@1"
    text = (tmp_path / "point.sql").read_text()
    assert text.startswith(
        "\\set at random(0, 1)\n\\set cpf CASE WHEN :at < 1 THEN 111 ELSE 222 END\n"
    )
    assert len(write(MIX, known, tmp_path)) == len(MIX.shares)
    assert "\\set product random(1, 4)" in (tmp_path / "browse.sql").read_text()
    pay = (tmp_path / "pay.sql").read_text()
    assert "\\set start random(1, 18)" in pay
    assert pay.index("BEGIN;") < pay.index("\\gset") < pay.index("COMMIT;")


def test_an_operation_at_its_share_of_the_rate_starts_nothing() -> None:
    operation = MIX.shares[0].operation
    found = _at(operation, {operation.name: 12.5})
    assert found.rate(Settings.model_construct()) == 12.5
    assert found.at_start is False


def test_payloads_are_traces_of_five_spans() -> None:
    """Forty traces each; at least one payload, else the nearest number of them."""
    for spans, payloads in ((1, 1), (299, 1), (301, 2), (1000, 5)):
        assert len(list(intake._payloads(spans))) == payloads, spans
    [body] = intake._payloads(200)
    strings, chunks = msgspec.msgpack.decode(body)
    assert (len(chunks), {len(chunk) for chunk in chunks}, strings[0]) == (40, {5}, "")
    for root, *statements in chunks:
        assert (root[5], strings[root[1]], strings[root[11]]) == (0, "credit.operation", "worker")
        assert {span[5] for span in statements} == {root[4]}
        assert {span[3] for span in (root, *statements)} == {root[3]}
        assert [span[6] - root[6] for span in statements] == [0, 1, 2, 3]
        assert {strings[span[11]] for span in statements} == {"sql"}
        texts = {statement.sql for statement in STATEMENTS.values()}
        assert {strings[span[2]] for span in statements} <= texts
        tags = {strings[key]: strings[value] for key, value in statements[0][9].items()}
        assert (tags["db.system"], tags["env"]) == ("postgresql", "lab")


def test_each_tenth_log_line_is_a_plan() -> None:
    """Lines of jsonlog with numbers, and a traceparent in each statement's text."""
    lines = [json.loads(line) for line in intake._log_lines(21)]
    assert [line["line_num"] for line in lines] == list(range(21))
    plans = [n for n, line in enumerate(lines) if "plan:" in line["message"]]
    assert plans == [0, 10, 20]
    assert all("traceparent='00-" in line["message"] for line in lines)
    assert all(line["timestamp"].endswith(" UTC") for line in lines)
    document = json.loads(lines[0]["message"].partition("plan:\n")[2])
    assert len(document["Plan"]["Plans"]) == 8
    assert len(Counter(line["query_id"] for line in lines)) == 21


def test_a_benchmarks_table_of_the_intake_without_the_size_of_a_span() -> None:
    """SQLite may have no dbstat: the title then ends with the memory."""
    table = intake._table(
        intake.Result(
            spans=1, spans_per_s=1, spans_per_cpu_s=1, log_lines=1, log_lines_per_s=1,
            log_lines_per_cpu_s=1, rss_mb=1, peak_rss_mb=2, span_bytes=None,
        )
    )  # fmt: skip
    assert str(table.title).endswith("1 MB (peak 2 MB)")
