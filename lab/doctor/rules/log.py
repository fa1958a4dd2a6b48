"""The server's log: slow statements with their traceparent, executed plans, lock waits, spills."""

from collections.abc import Iterator

from lab.doctor.check import Check
from lab.doctor.facts import Facts
from lab.doctor.rules import setting

PREFIX = "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:"
_FIRST_WITH_JSON = 150_000


def checks(facts: Facts) -> Iterator[Check]:
    """Log destination and format, then logged events, then executed plans."""
    json = facts.version >= _FIRST_WITH_JSON
    destinations = {"stderr", "jsonlog"} if json else {"stderr"}
    yield setting.check(
        facts,
        "log_destination",
        is_sufficient=lambda value: destinations <= {part.strip() for part in value.split(",")},
        wanted=",".join(sorted(destinations, reverse=True)),
        title=f"The log is written as {' and '.join(sorted(destinations, reverse=True))}",
        impact="The log in Datadog (stderr); query ids and executed plans in the lab (jsonlog).",
    )
    yield setting.check(
        facts,
        "logging_collector",
        wanted="on",
        title="The log is written to files that an Agent can tail",
        impact="The log in Datadog and in the lab; jsonlog is written to files only.",
    )
    yield setting.check(
        facts,
        "log_line_prefix",
        is_sufficient=lambda value: value.strip() == PREFIX,
        wanted=PREFIX,
        title="Log lines have the prefix that Datadog's log pipeline parses",
        impact="Time, database, user and SQLSTATE of log lines in Datadog, and the link to their session.",
    )
    yield from _events(facts)
    yield from _plans(facts)


def _events(facts: Facts) -> Iterator[Check]:
    yield setting.check(
        facts,
        "log_min_duration_statement",
        is_sufficient=setting.logged,
        wanted="100ms",
        title="Slow statements are logged",
        impact="Slow statements that ran between two activity samples, with their traceparent.",
    )
    yield setting.check(
        facts,
        "log_lock_waits",
        wanted="on",
        title="Lock waits are logged",
        impact="Which session waited for which, after the wait has ended.",
    )
    yield setting.check(
        facts,
        "log_temp_files",
        is_sufficient=setting.logged,
        wanted="0",
        title="Spills to disk are logged",
        impact="Which statement wrote temporary files, and of what size.",
    )
    yield setting.check(
        facts,
        "log_checkpoints",
        wanted="on",
        title="Checkpoints are logged",
        impact="Latency caused by checkpoints.",
    )
    yield setting.check(
        facts,
        "log_autovacuum_min_duration",
        is_sufficient=setting.logged,
        wanted="0",
        title="Autovacuum is logged",
        impact="Latency caused by autovacuum, and dead tuples that it does not remove.",
    )


def _plans(facts: Facts) -> Iterator[Check]:
    yield setting.check(
        facts,
        "auto_explain.log_min_duration",
        is_sufficient=setting.logged,
        wanted="200ms",
        title="Executed plans of slow statements are logged",
        impact="The executed plan, with actual rows: only estimated plans are available.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_analyze",
        wanted="on",
        title="Executed plans have actual rows and times",
        impact="Wrong row estimates: plans have estimated rows only.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_buffers",
        wanted="on",
        title="Executed plans have buffer usage",
        impact="Whether a slow plan node read from disk.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_format",
        wanted="json",
        title="Executed plans are JSON",
        impact="Executed plans in Datadog and in the lab, which both read JSON only.",
    )
