"""Moments that local time makes difficult, and two zones by their rules, for which no tzdata is needed."""

from datetime import UTC, datetime, timedelta, timezone

# POSIX rules: Berlin's of today; São Paulo's until 2019, when the hour was skipped at midnight.
RULES = {
    "UTC": "UTC0",
    "Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3",
    "America/Sao_Paulo": "<-03>3<-02>,M11.1.0/0,M2.3.0/0",
}
MOMENTS = {
    "a leap day": datetime(2028, 2, 29, 12, 30, 15, 123_000, tzinfo=UTC),
    "the last moment of a leap day": datetime(2028, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
    "the end of a month": datetime(2027, 4, 30, 23, 30, tzinfo=UTC),
    "the end of a year": datetime(2027, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    "before Berlin skips an hour": datetime(2028, 3, 26, 0, 59, 59, 999_000, tzinfo=UTC),
    "after Berlin skipped an hour": datetime(2028, 3, 26, 1, 0, tzinfo=UTC),
    "02:30 in Berlin, the first": datetime(2028, 10, 29, 0, 30, tzinfo=UTC),
    "02:30 in Berlin, the second": datetime(2028, 10, 29, 1, 30, tzinfo=UTC),
    "before São Paulo skips midnight": datetime(2018, 11, 4, 2, 59, 59, 999_000, tzinfo=UTC),
    "after São Paulo skipped midnight": datetime(2018, 11, 4, 3, 0, tzinfo=UTC),
    "23:30 in São Paulo, the first": datetime(2019, 2, 17, 1, 30, tzinfo=UTC),
    "23:30 in São Paulo, the second": datetime(2019, 2, 17, 2, 30, tzinfo=UTC),
}
# As PostgreSQL writes a time for a session of such a zone.
OFFSETS = tuple(timezone(timedelta(hours=h)) for h in (0, 1, 2, -2, -3))
