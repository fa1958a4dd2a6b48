"""Where the time of a trace went, in one sentence: lock wait, server, network and driver, or application.

Pure functions over a trace's report. The sentence names the largest part, and its cause when that is known.
"""

from dataclasses import dataclass
from typing import TypeAlias

from lab.drilldown.execution import Blocker, PlanSource, StatementExecution
from lab.drilldown.report import ReportedStatement, TraceReport
from lab.foundation.plural import plural

# A lock wait of this share of the trace is the first thing to report.
LOCKED_SHARE = 0.3
# Below this share the statements do not explain the trace.
EXPLAINED_SHARE = 0.5
# From this number on, the round trips of a trace are reported with their mean.
MANY = 20
PERCENT = 100
Statement: TypeAlias = ReportedStatement | StatementExecution


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """The parts of a trace's duration, in milliseconds; `server_ms` has only what the log has.

    Statements that run at the same time count once each, but never more than the trace's duration.
    """

    duration_ms: float
    statements_ms: float
    locked_ms: float
    other_ms: (
        float  # of spans that wait for the database without a statement: connect, commit, rollback
    )

    @classmethod
    def of(cls, report: TraceReport) -> "Shares":
        """Return the parts of a report."""
        every = report.statements
        return cls(
            duration_ms=report.duration_ms,
            statements_ms=min(sum(s.client_ms for s in every), report.duration_ms),
            locked_ms=sum(s.locked_ms or 0.0 for s in every),
            other_ms=max(report.database_ms - sum(s.client_ms for s in every), 0.0),
        )

    @property
    def application_ms(self) -> float:
        """The time in which no span waited for the database."""
        return max(self.duration_ms - self.statements_ms - self.other_ms, 0.0)


def sentence(report: TraceReport) -> str:
    """Return where the time of a trace went."""
    parts, slowest = Shares.of(report), report.slowest
    if slowest is None:
        return f"No statement ran: all {span(parts.duration_ms)} are the application's own time."
    locked = max(report.statements, key=lambda each: each.locked_ms or 0.0)
    if (waited_ms := locked.locked_ms) and parts.locked_ms >= LOCKED_SHARE * parts.duration_ms:
        return _locked(locked, waited_ms, parts.duration_ms)
    if parts.statements_ms < EXPLAINED_SHARE * parts.duration_ms:
        return _elsewhere(report, parts)
    if len(report.statements) >= MANY and slowest.client_ms < EXPLAINED_SHARE * parts.statements_ms:
        mean_ms = parts.statements_ms / len(report.statements)
        statements = plural(len(report.statements), "statement")
        return (
            f"{statements} of {span(mean_ms)} on average took {span(parts.statements_ms)} of"
            f" {span(parts.duration_ms)}: the number of round trips is the cause, no single statement."
        )
    return _statement(slowest, parts.duration_ms)


def of_statement(statement: Statement) -> str:
    """Return where the time of one statement went."""
    if (waited_ms := statement.locked_ms) and waited_ms >= LOCKED_SHARE * statement.client_ms:
        return _locked(statement, waited_ms, statement.client_ms)
    return _statement(statement, None)


def holder(blockers: tuple[Blocker, ...]) -> str | None:
    """Return the session at the head of the chain of blocking sessions; None when none was seen."""
    heads = [each for each in blockers if each.root] or list(blockers)
    if not heads:
        return None
    first = max(heads, key=lambda each: each.samples)
    who = first.service or first.application or first.role
    parts = [f"pid {first.pid}"]
    parts += [who] if who else []
    parts += [first.state] if first.state else []
    parts += [f"last statement {first.statement}"] if first.statement else []
    return f"{parts[0]} ({', '.join(parts[1:])})" if parts[1:] else parts[0]


def _elsewhere(report: TraceReport, parts: Shares) -> str:
    """Name the larger part of a trace whose statements are the smaller part."""
    whole = parts.duration_ms
    begin = f"{plural(len(report.statements), 'statement')} took {span(parts.statements_ms)} of {span(whole)}"
    begin += _share(parts.statements_ms, whole)
    if parts.other_ms > parts.application_ms:
        rest = f", {span(parts.application_ms)} are the application's own time"
        return f"{begin}; connecting, commit and rollback took {span(parts.other_ms)}{rest}."
    other = f", connecting and commit {span(parts.other_ms)}" if parts.other_ms >= 1 else ""
    rest = f"the rest, {span(parts.application_ms)}, is the application's own time"
    return f"{begin}{other}; {rest}."


def _locked(statement: Statement, waited_ms: float, whole_ms: float) -> str:
    head = holder(statement.blocked_by)
    held = f" held by {head}" if head else "; the sessions that held it were not sampled"
    name = statement.statement or "an unnamed statement"
    # A wait that was cancelled has no end in the log: its samples show how long it lasted at least.
    least = "at least " if statement.error else ""
    return f"{name} waited {least}{span(waited_ms)} of {span(whole_ms)} for a lock{held}."


def _statement(statement: Statement, whole_ms: float | None) -> str:
    name, client = statement.statement or "an unnamed statement", statement.client_ms
    share = "" if whole_ms is None else f" of {span(whole_ms)}{_share(client, whole_ms)}"
    begin = f"{name} took {span(client)}{share}"
    if statement.server_ms is None:
        why = statement.absent.get("server_ms", "not logged").partition(" on the server")[0]
        return f"{begin}; its time on the server was not logged: {why.partition(':')[0]}."
    server, rest = statement.server_ms, max(client - statement.server_ms, 0.0)
    if rest > EXPLAINED_SHARE * client:
        return (
            f"{begin}, of which the server {span(server)}: the rest, {span(rest)}, is network,"
            " driver and the program's threads."
        )
    plan = statement.plan
    worst = f" {plan.worst_node}" if plan.worst_node and plan.source is PlanSource.EXECUTED else ""
    return f"{begin}, on the server {span(server)}.{worst}"


def _share(part: float, whole: float) -> str:
    if not whole:
        return ""
    percent = part / whole * PERCENT
    return f" ({'<1' if 0 < percent < 1 else f'{percent:.0f}'} %)"


def span(ms: float) -> str:
    """Write a duration of milliseconds with two or three significant digits.

    >>> span(21004.4), span(240.2), span(5.64), span(0.05)
    ('21.0 s', '240 ms', '5.6 ms', '0.05 ms')
    >>> span(999.7)
    '1.0 s'
    """
    if ms >= 999.5:  # noqa: PLR2004 - not "1,000 ms" beside "1.0 s"
        return f"{ms / 1000:,.1f} s"
    if ms >= 10:  # noqa: PLR2004
        return f"{ms:,.0f} ms"
    return f"{ms:,.1f} ms" if ms >= 1 else f"{ms:,.2f} ms"
