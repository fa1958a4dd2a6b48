"""Views with known figures: what `creditlab` prints, for tests/unit/test_layouts.py."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from lab.cli.views import (
    compare,
    datadog,
    doctor,
    drills,
    exam,
    plan,
    queries,
    sessions,
    status,
    trace,
    tuning,
    verify,
)  # fmt: skip
from lab.compare.answers import Answer, Compared, Group, Parts, cannot
from lab.compare.comparison import Comparison, Cost
from lab.compare.resources import LAB, PROMETHEUS, Spent
from lab.datadog.definitions import Kind
from lab.datadog.difference import Change
from lab.datadog.push import Action, Step
from lab.doctor.check import Check, Fix, Need, Report, Then
from lab.doctor.check import Status as Found
from lab.drilldown import By
from lab.drilldown.execution import Blocker, ExecutionPlan, PlanSource, Wait
from lab.drilldown.index_advice import HypotheticalIndex, IndexAdvice
from lab.drilldown.plans.tree import Buffers
from lab.drilldown.sessions import PREPARED_TRANSACTION, BlockingNode
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.matrix import Matrix
from lab.drills.quiet import Watch
from lab.drills.runner import Run
from lab.exam.checking import Checked
from lab.exam.ending import Result
from lab.exam.experiment import Experiment, Row
from lab.exam.place import Record, State
from lab.exam.scoring import FaultGrade, Grade
from lab.judge.evidence import Observer
from lab.judge.quiet import FalsePositive
from lab.judge.readings import Seen
from lab.judge.tuning import Errors, Stretch, Tuned
from lab.judge.verdicts import AlertTimes, Depth, Verdict
from lab.stack.collector_failures import CollectorFailures
from lab.stack.status import ComponentStatus, Status
from lab.stack.status import State as Running
from lab.verify.report import Report as Verified
from lab.verify.report import compare as same
from lab.verify.report import unknown
from tests import drilldown_reports as of
from tests.exam_logs import unanswered

AT_NS = round(datetime(2026, 11, 22, 10, 3, 7, tzinfo=UTC).timestamp()) * 1_000_000_000


def _plan() -> RenderableType:
    deep = of.node(3, loops=0.0, rows=0.0, self_ms=0.0, after_ms=2.5)
    slow = of.node(
        2, deep, role="InitPlan 1", loops=3.0, removed_rows=90_000.0, misestimate=12.0, share=0.3,
        conditions={"Filter": "(a = ?)"},
    )  # fmt: skip
    blocks = Buffers(hit=1200, read=3, dirtied=0, written=0, temp_read=0, temp_written=7)
    return plan.render(of.tree(of.node(1, slow, buffers=blocks), worst=2))


def _trace() -> RenderableType:
    slow = of.statement(
        client_ms=40.0, offset_ms=60.0, error=True, failure="deadlock detected",
        absent={"server_ms": "below the threshold"},
        waits=(Wait(type="Lock", event="tuple", samples=3),),
        blocked_by=(
            Blocker(pid=7, samples=1, state="idle", service="credit-x", statement="pay", root=True),
            Blocker(pid=8, samples=1),
        ),
        plan=ExecutionPlan(source=PlanSource.ESTIMATED, note="another", tree=of.tree(of.node(1))),
    )  # fmt: skip
    return trace.render(of.report(of.statement(), slow, error=True))


def _sessions() -> RenderableType:
    holding = of.session(1, state="idle in transaction", application=None)
    waiting = of.session(
        2, service="credit-risk", statement="pay", wait_event_type="Lock", wait_event="tuple",
        blocked_by=(1,), trace_id="a" * 32,
    )  # fmt: skip
    chain = (
        BlockingNode(pid=1, waiting=(BlockingNode(pid=2, waiting=()),)),
        BlockingNode(pid=PREPARED_TRANSACTION, waiting=()),
        BlockingNode(pid=99, waiting=()),
    )
    return sessions.render(
        of.found_sessions(holding, waiting, of.session(3, state="idle"), blocking=chain)
    )


def _query() -> RenderableType:
    index = HypotheticalIndex(
        definition="CREATE INDEX ON x (y)", cost_before=100.0, cost_after=25.0, size_bytes=2_500_000
    )
    advice = IndexAdvice(indexes=(index,), reason="of the most frequent queryid")
    return queries.render_one(of.query(advice=advice))


RUN = Run(
    run="r", drill="deadlocks", intensity=1.0, injected_ns=AT_NS, proven_ns=AT_NS, proof="", pids=(),
    held=True, healed_ns=AT_NS,
)  # fmt: skip
ASSESSED = Assessment(
    run=RUN,
    verdicts=(
        Verdict(observer=Observer.DBM, seen=Seen.SEEN, after_s=12.44, says=("a lock wait",),
                depths=(Depth.DETECTED, Depth.STATEMENT, Depth.TRACE)),
        Verdict(observer=Observer.ALERTS, seen=Seen.MISSED, says=("nothing fired",),
                alerts=(AlertTimes(name="Deadlocks", pending_s=3.6, firing_s=None),)),
        Verdict(observer=Observer.LOG, seen=Seen.UNKNOWN, says=("no data",)),
    ),
    other_alerts=("Burst",),
    datadog="of the embedded agent",
)  # fmt: skip


def _watch() -> RenderableType:
    alarm = FalsePositive(
        observer=Observer.DBM, what="burst", says="many calls", at_ns=AT_NS, stretches=2
    )
    return drills.quiet(
        Watch(since_ns=AT_NS, until_ns=AT_NS, stretches=9, drills=20, alarms=(alarm,),
              unheard={Observer.LOG: "nothing arrived"}, stolen=0.2)
    )  # fmt: skip


def _record() -> Record:
    return Record(
        exam="0123456789ab", state=State.PREPARING, doors=("log", "apm"), minutes=15.0, commitment="0" * 64,
        pid=1, created=0.0, started_ns=AT_NS, clock_ns=None, deadline_ns=None,
    )  # fmt: skip


def _result(score: float | None) -> Result:
    log = replace(
        unanswered(0),
        commitment="0" * 64,
        faults=tuple(
            replace(fault, onset_ns=AT_NS, objects=("a", "b", "c"), culprits=("d", "e", "f", "g"))
            for fault in unanswered(0).faults
        ),
        started_ns=AT_NS,
        proofs=("a proof",),
        notes=("a note",),
    )
    fault = FaultGrade(
        kind="deadlocks",
        answered="",
        credit=0.2,
        components={"class": 1.0, "object": 0.25},
        score=0.5,
    )
    grade = Grade(
        score=score, faults=(fault,), false_positives=("x",), delay_s=2.0, requests=1, hints=2, brier=None,
        says="half right",
    )  # fmt: skip
    return Result(log=log, grade=grade, verified="ok")


def _doctor() -> RenderableType:
    fix = Fix(
        statements=("ALTER SYSTEM SET x = 1", "SELECT 1"), conf="x = 1", then=Then.RELOAD, after="first",
        note="a note",
    )  # fmt: skip
    first = Check(
        name="first", title="The first", status=Found.MISSING, found="no", impact="all", need=Need.REQUIRED,
        cost="a little", fix=Fix(conf="y = 2", then=Then.RESTART),
    )  # fmt: skip
    second = replace(
        first, name="second", title="The second", need=Need.RECOMMENDED, cost="", fix=fix
    )
    good = replace(second, name="third", title="The third", status=Found.OK, fix=None)
    unseen = replace(good, name="fourth", title="The fourth", status=Found.UNKNOWN)
    checks = (first, second, good, unseen)
    return doctor.render(
        Report(server_version="15.8", database="d", role="r", is_standby=True, checks=checks)
    )


def _status() -> RenderableType:
    components = (
        ComponentStatus(
            name="postgres", state=Running.RUNNING, version="15.8", address="a:1", pid=4
        ),
        ComponentStatus(
            name="agent", state=Running.FAILING, version="7 (not sent)", address="", pid=None
        ),
        ComponentStatus(name="shop", state=Running.OFF, version=None, address="b:2", pid=None),
    )
    failures = CollectorFailures(collections={"metrics": 2}, rows={"samples": 1})
    shown = Status(mode="native", components=components, collector_failures=failures)
    return status.table(shown, [Text("more")])


def _tuning() -> RenderableType:
    first = Tuned(
        drill="burst", observer=Observer.DBM, says="calls", current=2.0, tuned=3.25, quiet=1.0, fault=12345.6,
        with_current=Errors(false_positives=1, minutes=9, misses=0, faults=3),
        with_tuned=Errors(false_positives=0, minutes=9, misses=0, faults=0),
    )  # fmt: skip
    unseen = replace(first, quiet=None, fault=None, says="never recorded")
    other = replace(first, drill="deadlocks", tuned=None, quiet=None, with_tuned=None)
    stretches = [Stretch(began_ns=1, fault=name, levels=()) for name in (None, None, "burst")]
    return tuning.results([first, replace(first, says="rows"), unseen, other], stretches)


def _comparison() -> Comparison:
    def compared(truth: float | str, reported: float | str | None, group: Group) -> Compared:
        return Compared(
            group=group, question="calls of browse_products", unit="ms", truth=Answer(value=truth),
            prometheus=Answer(value=reported, age_s=3.0, parts=Parts(extrapolation=2.0, delay=-12.0)),
            datadog=cannot("no deltas"),
        )  # fmt: skip

    cost = Cost(
        role="datadog",
        calls_per_s=1.5,
        ms_per_s=2.0,
        share_percent=0.3,
        blocks_per_s=9.0,
        sessions=1,
    )
    return Comparison(
        since_s=298.9, asked_s=300.0, datadog="the intake", costs=(cost,), costs_since_s=120.0,
        rows=(
            compared(200.0, 190.0, Group.STATEMENTS), compared(200.0, 100.0, Group.STATEMENTS),
            compared(7.0, 7.0, next(g for g in Group if g is not Group.STATEMENTS)),
        ),
        spent=(
            Spent(observer=PROMETHEUS, what="job postgres: samples", unit="/min", value=9_000.0),
            Spent(observer=LAB, what="store: rows", why_not="there is no store"),
        ),
        absent=("PostgreSQL did not answer once.",),
    )  # fmt: skip


def _push() -> RenderableType:
    def step(action: Action, *changes: Change, key: str | None = "7") -> Step:
        return Step(
            action=action, kind=Kind.DASHBOARD, identity="i", title=f"a {action.value}", key=key,
            changes=changes,
        )  # fmt: skip

    long = Change(field="query", stored="x" * 30 + "a" * 80, ours="x" * 30 + "b" * 3)
    return datadog.render(
        [
            step(Action.CREATE, key=None),
            step(Action.UPDATE, long, Change(field="tags", stored=None, ours=["c"])),
            step(Action.NOTHING),
            step(Action.LEAVE),
        ],
        dry_run=True,
    )


SHOWN: Mapping[str, Callable[[], RenderableType]] = {
    "plan": _plan,
    "estimated plan": lambda: plan.render(of.tree(of.node(1), executed=False)),
    "trace": _trace,
    "trace without a statement": lambda: trace.render(of.report()),
    "trace in brief": lambda: trace.in_brief(of.report(of.statement())),
    "sessions": _sessions,
    "statements": lambda: queries.render([of.summary(), of.summary(statement="pay_all")], By.TIME),
    "no statement": lambda: queries.render([], By.TIME),
    "one statement": _query,
    "drills": lambda: drills.catalogue([DRILLS["deadlocks"]]),
    "one drill": lambda: drills.description(DRILLS["deadlocks"]),
    "verdicts": lambda: drills.verdicts(ASSESSED),
    "matrix": lambda: drills.matrix(
        Matrix(machine="2 processors", at_ns=AT_NS, rows=(ASSESSED,))
    ),
    "minutes without a fault": _watch,
    "exam begun": lambda: exam.begun(_record()),
    "exam that is over": lambda: exam.result(_result(0.5)),
    "exams": lambda: exam.results([_result(0.5), _result(None)]),
    "exam items": lambda: exam.checked(
        [
            Checked(number=1, template="t", proven_s=4.5, verified="ok", oracle=0.9),
            Checked(number=2, template="u", proven_s=None, verified="", oracle=None, problem="no proof"),
        ]
    ),
    "experiment": lambda: exam.experiment(
        Experiment(
            player="p", seed=1, difficulty={}, unsolved=(), void=("v",), trials=(),
            rows=(Row(doors=("log", "apm"), trials=9, solved=0.5, low=0.25, high=0.75, score=0.5,
                      seconds=None, requests=3.4),),
        )
    ),
    "doctor": _doctor,
    "status": _status,
    "next steps": lambda: status.next_steps([("a command", "its purpose")]),
    "verify": lambda: verify.render(
        Verified(
            checks=(
                same("balances", expected=0, actual=0, detail="not shown"),
                same("attempted_rows.x.insert", expected=5, actual=6, detail="one too many"),
                unknown("services", "not running"),
            )
        )
    ),
    "thresholds": _tuning,
    "comparison": lambda: compare.render(_comparison()),
    "comparison of one group": lambda: compare.render(
        replace(_comparison(), since_s=299.0), only=Group.STATEMENTS
    ),
    "push": _push,
}  # fmt: skip
