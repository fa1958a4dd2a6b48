"""The experiment: rules of the scripted diagnosers, selections of doors, intervals, and its page."""

import sys
from pathlib import Path

import pytest

from lab.exam import ablation, report, session, starting
from lab.exam.diagnosers import SURE, diagnose
from lab.exam.doors import Door
from lab.exam.ending import Result
from lab.exam.errors import ExamError, VoidError
from lab.exam.evidence import Table
from lab.exam.experiment import Trial, summarized
from lab.exam.form import checked
from lab.exam.items import TEMPLATES
from lab.exam.place import Record
from lab.exam.players import PLAYERS
from lab.exam.scoring import grade
from lab.exam.starting import Options
from lab.exam.vocabulary import SERVICES
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from tests.exam_logs import START_NS, unanswered
from tests.exam_records import begin
from tests.fix_reporter import RecordedReporter

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


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


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


@pytest.mark.parametrize(
    ("last", "kinds"),
    [
        ("", ["service-stopped"]),
        ("2026-11-28T19:02:10", ["service-stopped"]),
        ("2026-11-28T19:03:00", ["nothing"]),
    ],
)
def test_a_service_without_new_root_spans_is_stopped(last: str, kinds: list[str]) -> None:
    """None in the range of the table, or none for a minute while other services have new ones."""
    columns = ("service", "spans", "last")
    active = [(name, 5, AT) for name in SERVICES if name != "credit-risk"]
    active += [("credit-risk", 2, last)] if last else []
    found = [
        Table(title="", columns=("service",), rows=()),
        Table(title="", columns=("service",), rows=()),
        Table(title="", columns=columns, rows=tuple(active)),
    ]
    [finding] = diagnose({Door.APM: found}).findings
    assert [finding.kind] == kinds
    assert finding.culprit == ("credit-risk" if kinds == ["service-stopped"] else "")


@pytest.mark.parametrize(("state", "is_sure"), [("firing", True), ("pending", False)])
def test_a_pending_alert_is_not_sure(state: str, is_sure: bool) -> None:
    """And missing data may be late: the diagnoser reads again."""
    alert = f"__name__=ALERTS, alertname=Deadlock, alertstate={state}, severity=warning"
    tables = [Table(title="alerts", columns=("labels", "value"), rows=((alert, 1.0),))]
    answer = diagnose({Door.PROMETHEUS: tables})
    assert [finding.kind for finding in answer.findings] == ["deadlocks"]
    assert (answer.confidence >= SURE) == is_sure
    assert diagnose({Door.DATADOG: _datadog([], [])}).confidence < SURE


def test_two_observers_complete_each_other() -> None:
    deadlock = (AT, "deadlock", 10, "partner-sync", "", "40P01", "", "deadlock detected", "")
    log = [Table(title="events", columns=EVENTS, rows=(deadlock,))]
    answer = diagnose({Door.LOG: log, Door.DATADOG: _datadog([QUIET], CHAIN)})
    assert {f.kind for f in answer.findings} == {"deadlocks", "row-lock-chain"}
    assert f"log:{AT}" in answer.evidence


def test_selections_are_each_alone_pairs_and_all() -> None:
    found = ablation.selections("each")
    assert len(found) == len(set(found)) == 4 + 6 + 1
    assert ablation.selections("log, apm") == ((Door.APM, Door.LOG),)
    assert ablation.selections("all") == (ablation.OBSERVERS,)
    for wrong in ("sql", "log,sql", "lgo", ""):
        with pytest.raises(ExamError):
            ablation.selections(wrong)


def test_a_player_is_scripted_or_a_program_that_exists() -> None:
    """An experiment of an hour is refused at once when its player cannot be started."""
    for name in ("scripted", *PLAYERS, f"{sys.executable} player.py"):
        assert ablation.player(name) == name
    for wrong in ("scriptd", "", "no-such-program --model x", "'unbalanced"):
        with pytest.raises(ExamError, match="--player"):
            ablation.player(wrong)


READINGS = [
    ablation.Reading(
        at_ns=START_NS + second * NS_PER_S,
        tables={
            Door.DATADOG: _datadog([QUIET], CHAIN),
            Door.LOG: [Table(title="events", columns=EVENTS, rows=())],
            Door.APM: (),
            Door.PROMETHEUS: (),
        },
    )
    for second in (60, 90)
]
NUMBER = {template.name: number for number, template in enumerate(TEMPLATES)}
LOCKS = NUMBER["row-lock-chain/customers"]
UNPROVEN = NUMBER["burst/credit_analysis"]


@pytest.mark.parametrize(
    ("opened", "player", "kinds", "requests"),
    [
        ((Door.DATADOG,), "scripted", ["row-lock-chain"], 1),
        ((Door.LOG,), "scripted", ["nothing"], 2),
        ((Door.DATADOG, Door.LOG), "scripted", ["row-lock-chain"], 2),
        ((Door.LOG,), "oracle", ["row-lock-chain"], 1),
        ((Door.LOG,), "nothing", ["nothing"], 1),
    ],
)
def test_every_selection_reads_the_same_readings_through_its_doors_only(
    opened: tuple[Door, ...], player: str, kinds: list[str], requests: int
) -> None:
    """A player that is sure answers at the first reading; the log has its requests and what they showed."""
    found = ablation.played(unanswered(LOCKS), opened, READINGS, player)
    assert found.answer
    assert [finding.kind for finding in found.answer.findings] == kinds
    assert len(found.requests) == requests
    assert {request.door for request in found.requests} == {door.value for door in opened}
    shown = {reference for request in found.requests for reference in request.shown}
    assert ("sample:10" in shown) == (Door.DATADOG in opened)
    trial = Trial.of(LOCKS, "row-lock-chain/customers", found)
    assert trial.solved == (kinds == ["row-lock-chain"])


def test_a_void_exam_is_a_void_trial_and_the_experiment_continues(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first item is not proven, the second is solved through each selection."""

    def start(_settings: LabSettings, options: Options, _reporter: object) -> Record:
        if options.number == UNPROVEN:
            raise VoidError("Exam 0123456789ab is void: PostgreSQL shows nothing.")
        record = begin(settings, *Door).current()
        assert record
        return record

    monkeypatch.setattr(starting, "start", start)
    log = unanswered(LOCKS)
    graded = Result(log=log, grade=grade(log), verified="ok")
    monkeypatch.setattr(session, "stop", lambda *_: graded)
    monkeypatch.setattr(ablation, "FORGOTTEN_S", 0.0)
    monkeypatch.setattr(ablation, "MOMENTS_S", (0.0,))
    monkeypatch.setattr(ablation, "_read", lambda *_: READINGS[0])
    design = ablation.Design(
        items=(UNPROVEN, LOCKS),
        seed=15,
        player="scripted",
        selections=((Door.DATADOG,), (Door.LOG,)),
    )
    found = summarized(
        list(ablation.run(design, settings, RecordedReporter())), seed=15, player="scripted"
    )
    assert [(trial.item, trial.solved) for trial in found.trials] == [
        (UNPROVEN, False), (UNPROVEN, False), (LOCKS, True), (LOCKS, False)
    ]  # fmt: skip
    assert found.void == (TEMPLATES[UNPROVEN].name,)
    assert "shows nothing" in found.trials[0].void
    assert [(row.doors, row.solved) for row in found.rows] == [(("datadog",), 1), (("log",), 0)]


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
    found = summarized(trials, seed=1, player="scripted")
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
