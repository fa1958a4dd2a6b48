"""The server's log: slow statements with their traceparent, executed plans, lock waits, spills."""

from collections.abc import Iterator

from lab.doctor.check import Check
from lab.doctor.facts import Facts
from lab.doctor.rules import setting

PREFIX = "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:"
_FIRST_WITH_JSON = 150_000


def checks(facts: Facts) -> Iterator[Check]:
    """Destination and form, then what is logged, then executed plans."""
    json = facts.version >= _FIRST_WITH_JSON
    destinations = {"stderr", "jsonlog"} if json else {"stderr"}
    yield setting.check(
        facts,
        "log_destination",
        will_do=lambda value: destinations <= {part.strip() for part in value.split(",")},
        wanted=",".join(sorted(destinations, reverse=True)),
        title=f"The log is written as {' and '.join(sorted(destinations, reverse=True))}",
        impact="Without stderr the log in Datadog; without jsonlog query ids and executed plans in the lab.",
    )
    yield setting.check(
        facts,
        "logging_collector",
        will_do=setting.on,
        wanted="on",
        title="The log goes to files that an Agent can follow",
        impact="The log in Datadog and in the lab; jsonlog is written to files only.",
    )
    yield setting.check(
        facts,
        "log_line_prefix",
        will_do=lambda value: value.strip() == PREFIX,
        wanted=PREFIX,
        title="Log lines begin as Datadog's log pipeline expects",
        impact="Time, database, user and SQLSTATE of log lines in Datadog, and the link to their session.",
    )
    yield from _events(facts)
    yield from _plans(facts)


def _events(facts: Facts) -> Iterator[Check]:
    yield setting.check(
        facts,
        "log_min_duration_statement",
        will_do=setting.logged,
        wanted="100ms",
        title="Slow statements are logged",
        impact="Slow statements between two samples, with their traceparent.",
    )
    yield setting.check(
        facts,
        "log_lock_waits",
        will_do=setting.on,
        wanted="on",
        title="Lock waits are logged",
        impact="Who waited for whom, after the fact.",
    )
    yield setting.check(
        facts,
        "log_temp_files",
        will_do=setting.logged,
        wanted="0",
        title="Spills to disk are logged",
        impact="Which statement spilled, and how much.",
    )
    yield setting.check(
        facts,
        "log_checkpoints",
        will_do=setting.on,
        wanted="on",
        title="Checkpoints are logged",
        impact="Latency that comes from checkpoints.",
    )
    yield setting.check(
        facts,
        "log_autovacuum_min_duration",
        will_do=setting.logged,
        wanted="0",
        title="Autovacuum is logged",
        impact="Latency and dead rows that come from vacuum, or from its absence.",
    )


def _plans(facts: Facts) -> Iterator[Check]:
    yield setting.check(
        facts,
        "auto_explain.log_min_duration",
        will_do=setting.logged,
        wanted="200ms",
        title="Executed plans of slow statements are logged",
        impact="The plan that really ran, with actual rows: estimated plans are all there is.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_analyze",
        will_do=setting.on,
        wanted="on",
        title="Executed plans carry actual rows and times",
        impact="Where a plan went wrong: estimates without what they came to.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_buffers",
        will_do=setting.on,
        wanted="on",
        title="Executed plans carry buffers",
        impact="Whether a slow plan node read from disk.",
    )
    yield setting.check(
        facts,
        "auto_explain.log_format",
        will_do=lambda value: value == "json",
        wanted="json",
        title="Executed plans are JSON",
        impact="Executed plans in Datadog and in the lab, both of which read JSON only.",
    )
