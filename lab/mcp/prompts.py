"""Prompts: procedures for a model, each with the order of tools and what to conclude from them."""

from typing import Annotated

from pydantic import Field

TRACE = """Explain why the trace {trace_id} of the Credit Lab was slow. Use the tools of this server only.

1. lab_trace with this trace: which statement has the largest client_ms?
2. Compare client_ms with server_ms. If client_ms is much larger, the time is in the network, the connection
   pool or the service: report that, and check apm_trace for self_ms of the spans.
3. If the waits are of type Lock, name the blocking session and its statement (blocked_by); follow its
   trace_id with lab_trace until a session that is not blocked.
4. Otherwise read the plan with lab_execution: the slowest node, its rows beside the estimated rows, its
   blocks. If there is no executed plan, report the reason in `note`; never invent a plan.
5. Compare with the usual: lab_statement over the last hour (plan changes, calls, mean time).

Answer with: the cause in one sentence; the evidence, each with tool, time and value; what you could not see;
the fix, as SQL where it is one."""

INCIDENT = """Something may be wrong with the Credit Lab's database, or nothing is. Find out for the
time from {start} to {end}. Use the tools of this server only; some observers may be closed.

1. Symptoms: prometheus_alerts, apm_operations, dbm_activity, log_events, in this time range and in one of the
   same length before it.
2. Narrow down: which service, statement, table or session differs? Rank by time (dbm_query_metrics), by wait
   event (dbm_activity), by rate (promql_query with topk).
3. Test the other explanation: more load (rate of arrivals), a plan change (shape), locks (dbm_blocking),
   dead tuples, checkpoints, connections.
4. Find the start: promql_range or dbm_query_metrics_over_time, to the step.

Answer with: class of the fault, or "nothing is wrong"; statement or table; culprit (application, service or
session); start in UTC; confidence from 0 to 1; the evidence, each with tool, time and value."""

COMPARE = """Which observer shows more of the statement {statement}: Prometheus or Datadog?

Read it by both: lab_statement, promql_range on pg_stat_statements_seconds_total of its queryid,
dbm_query_metrics_over_time, dbm_plans, log_plans. Report for each observer: calls and mean time, their
difference and its reason, resolution in s, whether it has the plan, the wait events, the trace. Name what
neither shows."""


EXAM = """You take an exam of the Credit Lab: an unknown fault may be present, or nothing is wrong. You
have only the tools of this server, and of those only the open doors. Every request counts; the clock runs.

1. exam_status: open doors, seconds left, kinds of faults, the form of references.
2. Compare the last two minutes with the time before the clock started, by each open door, as in the prompt
   diagnose_incident. A conspicuous statement may be harmless; two faults may be present.
3. Follow each symptom to its head: the session that is not blocked itself, the statement that is new.
4. Note references while you read: trace ids, queryids of plans, pids, metrics, seconds of log lines. Only
   what an answer has shown to you counts.
5. exam_answer once, before the time is over: kind, one object, one culprit, onset in UTC, your confidence.
   If you found nothing after all open doors, answer nothing: a wrong fault costs more than a missing one."""


def explain_slow_trace(
    trace_id: Annotated[
        str, Field(description="A trace id, a traceparent, or slowest.")
    ] = "slowest",
) -> str:
    """Explain why one request was slow, from its trace to the executed plan."""
    return TRACE.format(trace_id=_plain(trace_id))


def diagnose_incident(
    start: Annotated[str, Field(description="Start of the time range, such as -15m.")] = "-15m",
    end: Annotated[str, Field(description="End of the time range.")] = "now",
) -> str:
    """Find the fault in a time range, or conclude that there is none."""
    return INCIDENT.format(start=_plain(start), end=_plain(end))


def compare_observers(
    statement: Annotated[str, Field(description="Name or queryid of a statement.")],
) -> str:
    """Compare what both observers show about one statement."""
    return COMPARE.format(statement=_plain(statement))


def take_exam() -> str:
    """Take the running exam: find its fault behind the open doors, and submit the answer form."""
    return EXAM


PROMPTS = (explain_slow_trace, diagnose_incident, compare_observers, take_exam)


def _plain(text: str) -> str:
    """Return an argument on one line: it is quoted in a prompt."""
    return " ".join(text.split())[:120]
