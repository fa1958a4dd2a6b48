"""The lab's clock: one source, which can be replaced for all who read it."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lab.foundation import clock
from lab.foundation.timestamps import nanoseconds
from lab.telemetry.store import Execution
from tests import evidence as of
from tests.fix_store import HOUR_NS, Store

LEAP_DAY = datetime(2028, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)


def test_it_is_the_machines() -> None:
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()


def test_a_replaced_clock_is_read_in_every_form_and_then_no_more() -> None:
    with clock.replaced(lambda: nanoseconds(LEAP_DAY)):
        assert clock.now() == LEAP_DAY
        assert clock.today() == date(2028, 2, 29)
        assert clock.now_s() == pytest.approx(LEAP_DAY.timestamp())
    assert clock.now() != LEAP_DAY


def test_the_store_s_retention_reads_it(store: Store) -> None:
    """With a clock 400 days ahead a record of today is deleted, and one of that day is kept."""
    of_today = of.logged(of.statement(1), ms=5)
    ahead_ns = 400 * 24 * HOUR_NS
    of_that_day = replace(of_today, at_ns=of_today.at_ns + ahead_ns)
    with clock.replaced(lambda: time.time_ns() + ahead_ns):
        store.writer.commit([of_today, of_that_day], timeout_s=60)
        # The writer deletes after a batch and before the next one.
        store.writer.commit([of.known()], timeout_s=60)
    assert store.reader.select(Execution) == [of_that_day]
