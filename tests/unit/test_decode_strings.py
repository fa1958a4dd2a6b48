"""The string table of v0.5: every number from 0 to the last one is a string, and no other is."""

import msgspec
import pytest

from lab.foundation import clock
from lab.telemetry.intake import tracer
from lab.telemetry.intake.errors import RejectedError
from lab.telemetry.store import Span


def payload(strings: list[str], *, names: list[int], meta: dict[int, int]) -> bytes:
    service, name, resource, kind = names
    row = [service, name, resource, 7, 8, 0, clock.now_ns(), 5, 0, meta, {}, kind]
    return msgspec.msgpack.encode([strings, [[row]]])


def test_a_table_may_begin_with_any_string() -> None:
    """An Agent's begins with the empty one, which is no rule of the format."""
    [span] = tracer.v05(payload(["env", "lab"], names=[1, 1, 1, 1], meta={0: 0}))
    assert isinstance(span, Span)
    assert span.tags["env"] == "env"
    [span] = tracer.v05(payload(["lab", "env"], names=[0, 0, 0, 0], meta={1: 0}))
    assert isinstance(span, Span)
    assert (span.service, span.name, span.tags["env"]) == ("lab", "lab", "lab")


@pytest.mark.parametrize("number", [-1, 2])
@pytest.mark.parametrize("place", ["service", "name", "resource", "kind", "key", "value"])
def test_a_number_outside_of_the_table_is_refused(place: str, number: int) -> None:
    places = ["service", "name", "resource", "kind"]
    names = [number if place == each else 0 for each in places]
    meta = {number if place == "key" else 1: number if place == "value" else 0}
    with pytest.raises(RejectedError, match=r"not in the table|Expected `int` >= 0"):
        tracer.v05(payload(["lab", "env"], names=names, meta=meta))
