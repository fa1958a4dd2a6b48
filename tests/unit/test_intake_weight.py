"""A payload is refused by what its records hold, not by their number alone."""

import json

import pytest

from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.intake.limits import MAX_PIDS, MAX_RECORDS, PARTS_LIKE_A_RECORD
from tests import payloads

PATH = "/api/v2/dbmactivity"


def activity(sessions: int, pids: int) -> bytes:
    """Return a dbmactivity payload of so many sessions, each blocked by so many."""
    [event] = json.loads(payloads.activity())
    row = {"pid": 1, "state": "active", "blocking_pids": [*range(2, pids + 2)]}
    event["postgres_activity"] = [{**row, "pid": pid} for pid in range(1, sessions + 1)]
    event["postgres_connections"] = []
    return json.dumps([event]).encode()


def test_a_queue_of_many_sessions_is_taken() -> None:
    """Five hundred sessions in one lock queue, each blocked by all before it."""
    records = STREAMS[PATH].decode(activity(500, 500)).records
    assert len(records) == 501


@pytest.mark.parametrize("pids", [64, MAX_PIDS])
def test_sessions_with_long_lists_weigh_more(pids: int) -> None:
    """As many sessions as records are allowed, less one; their lists make them too many."""
    sessions = MAX_RECORDS - 1
    if pids == MAX_PIDS:
        sessions = MAX_RECORDS * PARTS_LIKE_A_RECORD // MAX_PIDS
    with pytest.raises(RejectedError, match="records in one payload") as refused:
        STREAMS[PATH].decode(activity(sessions, pids))
    assert refused.value.status == 413


def test_as_many_sessions_without_lists_are_taken() -> None:
    assert len(STREAMS[PATH].decode(activity(MAX_RECORDS - 1, 0)).records) == MAX_RECORDS
