"""The experiment: rules of the scripted diagnosers, selections of doors, intervals, and its page."""

import pytest

from lab.exam import ablation, report
from lab.exam.ablation import Trial
from lab.exam.diagnosers import diagnose
from lab.exam.doors import Door
from lab.exam.errors import ExamError
from lab.exam.evidence import Table
from lab.exam.form import checked
from lab.exam.items import TEMPLATES
from lab.exam.vocabulary import SERVICES

METRICS = ("statement", "service", "queryid", "role", "calls", "rows", "ms", "ms per call",
           "blocks read", "temp blocks", "WAL bytes")  # fmt: skip
SAMPLES = ("time", "pid", "application", "role", "state", "waits for", "statement", "queryid",
           "blocked by", "transaction s", "trace")  # fmt: skip
EVENTS = (
    "time",
    "kind",
    "pid",
    "application",
    "statement",
    "SQLSTATE",
    "relation",
    "message",
    "trace",
)
AT = "2026-11-28T19:03:26"
QUIET = ("browse_products", "credit-proposals", "1", "credit_app", 900, 900, 300, 0.3, 0, 0, 0)


def _datadog(metrics: list[tuple[object, ...]], samples: list[tuple[object, ...]]) -> list[Table]:
    return [
        Table(title="metrics", columns=METRICS, rows=tuple(metrics)),
        Table(title="samples", columns=SAMPLES, rows=tuple(samples)),
    ]


def _sample(
    pid: int, state: str, waits: str, blocked: str, application: str = "partner-sync"
) -> tuple[object, ...]:
    return (
        AT,
        pid,
        application,
        "credit_app",
        state,
        waits,
        "partner_reserve",
        "1",
        blocked,
        20.0,
        "",
    )


CHAIN = [
    _sample(10, "idle in transaction", "", "[]"),
    _sample(11, "active", "Lock/transactionid", "[10]"),
    _sample(12, "active", "Lock/transactionid", "[11]"),
]


def test_a_blocking_chain_is_found_with_its_head() -> None:
    answer = checked(diagnose({Door.DATADOG: _datadog([QUIET], CHAIN)}))
    [finding] = answer.findings
    assert (finding.kind, finding.culprit, finding.chain) == (
        "row-lock-chain",
        "partner-sync",
        ("11", "10"),
    )
    assert "sample:10" in answer.evidence


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (
            ("a_ranking", "back-office", "7", "credit_app", 40, 40, 9000, 225.0, 0, 90_000, 0),
            "work-mem-spill",
        ),
        (
            ("a_line", "back-office", "7", "credit_app", 9000, 9000, 400, 0.05, 0, 0, 0),
            "n-plus-one",
        ),
        (
            ("a_offers", "back-office", "7", "credit_app", 90, 90, 81_000, 900.0, 0, 0, 0),
            "slow-query",
        ),
        (
            ("a_load", "back-office", "7", "credit_owner", 20, 20, 9000, 450.0, 0, 0, 10**9),
            "checkpoint-pressure",
        ),
    ],
)
def test_a_statement_of_an_unknown_application_is_classified(
    row: tuple[object, ...], kind: str
) -> None:
    answer = diagnose({Door.DATADOG: _datadog([QUIET, row], [_sample(1, "idle", "", "[]")])})
    assert [(f.kind, f.object, f.culprit) for f in answer.findings] == [(kind, row[0], row[1])]


def test_without_a_rule_nothing_is_wrong_and_without_data_the_agent_is_stopped() -> None:
    quiet = _datadog([QUIET], [(*_sample(1, "idle", "", "[]")[:9], 0.0, "")])
    assert [f.kind for f in diagnose({Door.DATADOG: quiet}).findings] == ["nothing"]
    assert [f.kind for f in diagnose({Door.DATADOG: _datadog([], [])}).findings] == [
        "agent-stopped"
    ]
    assert [
        f.kind for f in diagnose({door: () for door in Door if door is not Door.DATADOG}).findings
    ] == ["nothing"]


def test_further_rows_of_one_observer_add_no_weight() -> None:
    rows = [
        ("a_month", "back-office", str(n), "credit_app", 20, 20, 400, 20.0, 0, 0, 0)
        for n in range(9)
    ]
    answer = diagnose({Door.DATADOG: _datadog([QUIET, *rows], [_sample(1, "idle", "", "[]")])})
    assert (answer.findings[0].kind, answer.confidence) == ("sequential-scans", 0.5)


def test_a_service_without_root_spans_is_stopped() -> None:
    columns = ("service", "spans", "last")
    active = [(name, 5, AT) for name in SERVICES if name != "credit-risk"]
    found = [
        Table(title="", columns=("service",), rows=()),
        Table(title="", columns=("service",), rows=()),
        Table(title="", columns=columns, rows=tuple(active)),
    ]
    [finding] = diagnose({Door.APM: found}).findings
    assert (finding.kind, finding.culprit) == ("service-stopped", "credit-risk")


def test_two_observers_complete_each_other() -> None:
    deadlock = (AT, "deadlock", 10, "partner-sync", "", "40P01", "", "deadlock detected", "")
    log = [Table(title="events", columns=EVENTS, rows=(deadlock,))]
    answer = diagnose({Door.LOG: log, Door.DATADOG: _datadog([QUIET], CHAIN)})
    assert {f.kind for f in answer.findings} == {"deadlocks", "row-lock-chain"}
    assert f"log:{AT}" in answer.evidence


def test_selections_are_each_alone_pairs_and_all() -> None:
    found = ablation.selections()
    assert len(found) == len(set(found)) == 4 + 6 + 1


def _trial(item: int, doors: tuple[str, ...], *, solved: bool, score: float | None = 0.5) -> Trial:
    return Trial(
        item=item, template=f"t{item}", doors=doors, score=score, solved=solved, seconds=20.0,
        requests=1, answered=("burst",),
    )  # fmt: skip


def test_the_result_has_intervals_difficulty_and_unsolved_items() -> None:
    trials = [
        _trial(0, ("log",), solved=True),
        _trial(0, ("apm",), solved=False),
        _trial(1, ("log",), solved=False),
        _trial(1, ("apm",), solved=False),
        _trial(2, ("log",), solved=False, score=None),
    ]
    found = ablation.summarized(trials, seed=1, player="scripted")
    assert [(row.doors, row.solved, row.trials) for row in found.rows] == [
        (("log",), 0.5, 2),
        (("apm",), 0.0, 2),
    ]
    assert found.rows[0].low < 0.5 < found.rows[0].high
    assert found.difficulty == {"t0": 0.5, "t1": 1.0}
    assert (found.unsolved, found.void) == (("t1",), ("t2",))
    page = report.experiment(found)
    assert "<script" not in page
    assert "t1" in page


def test_items_are_a_number_or_a_list() -> None:
    assert len(set(ablation.chosen("12", 15))) == 12
    assert ablation.chosen("12", 15) == ablation.chosen("12", 15) != ablation.chosen("12", 16)
    assert ablation.chosen("0,64", 15) == (0, 64)
    assert len(ablation.chosen(str(len(TEMPLATES)), 15)) == len(TEMPLATES)
    for wrong in ("0", "", "x", "1000", "-1", "1,1000"):
        with pytest.raises(ExamError, match="are expected"):
            ablation.chosen(wrong, 15)
