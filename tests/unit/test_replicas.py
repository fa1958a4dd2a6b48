"""Replicas share one service's arrivals: each takes its part, and the total stays what was asked."""

import socket
from collections.abc import Callable, Iterator
from math import sqrt
from time import monotonic

import pytest
from prometheus_client import CollectorRegistry

from lab.foundation.readiness import await_state
from tests.fix_postgres import settings_for
from workload import replicas as module
from workload.engine import Engine
from workload.metrics import Metrics
from workload.operation import Call, Operation, Result
from workload.replicas import Replicas, count_addresses

SERVICE = "credit-test"
SOON_SECONDS = 150
RATE = 600.0


class Names:
    """DNS as one process sees it: a number of ready replicas, or no answer."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked = 0

    def count(self, host: str) -> int:
        assert host == "customers"
        self.asked += 1
        if not self.number:
            raise OSError("Name or service not known")
        return self.number


class Replica:
    """A real engine, with the share that its own count of the replicas gives it."""

    def __init__(self, names: Names, seed: int) -> None:
        self.registry = CollectorRegistry()
        self.replicas = Replicas("customers", count=names.count)
        self.engine = Engine(
            service=SERVICE,
            operations=[Operation(name="op", run=_never, rate=lambda _: RATE, writes=False)],
            threads=1,
            settings=settings_for(port=1, database="none").model_copy(
                update={"workload_random_seed": seed}
            ),
            metrics=Metrics(self.registry),
            run=lambda _: Result(),
            share=lambda: self.replicas.share,
        )

    def start(self) -> None:
        self.replicas.start()
        self.engine.start()

    def stop(self) -> None:
        self.replicas.stop()
        assert self.engine.drain(timeout=SOON_SECONDS)

    def value(self, name: str) -> float:
        labels = {"service": SERVICE, "operation": "op"}
        return self.registry.get_sample_value(name, labels) or 0.0


def _never(_: Call) -> Result:
    raise AssertionError("the engine hands operations to `run`")


def await_true(what: str, replicas: list[Replica], holds: Callable[[], bool]) -> None:
    def seen() -> str:
        names = ("credit_arrivals_total", "credit_target_rate")
        return str([[replica.value(name) for name in names] for replica in replicas])

    await_state(what, lambda: None if holds() else seen(), within_s=SOON_SECONDS)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Names, list[Replica]]]:
    monkeypatch.setattr(module, "REFRESH_S", 0.05)
    names = Names(3)
    replicas = [Replica(names, seed) for seed in range(3)]
    for replica in replicas:
        replica.start()
    yield names, replicas
    for replica in replicas:
        replica.stop()


def total(replicas: list[Replica], name: str) -> float:
    return sum(replica.value(name) for replica in replicas)


def assert_total_is_what_was_asked(replicas: list[Replica]) -> None:
    """In one of five turns: a machine that stalls for a moment keeps no rate."""
    turns: list[tuple[float, float, float]] = []
    while not any(least < arrived < most for least, arrived, most in turns) and len(turns) < 5:
        turns.append(arrivals(replicas))
    assert any(least < arrived < most for least, arrived, most in turns), turns


def arrivals(replicas: list[Replica]) -> tuple[float, float, float]:
    """Return the arrivals of a second between their bounds.

    Five standard deviations of a Poisson count, and a tenth of a second at either end.
    """
    begin = monotonic()
    before, started = total(replicas, "credit_arrivals_total"), monotonic()
    wanted = 600
    await_true(
        f"{wanted} arrivals",
        replicas,
        lambda: total(replicas, "credit_arrivals_total") > before + wanted,
    )
    ended = monotonic()
    arrived = total(replicas, "credit_arrivals_total") - before
    most = RATE * (monotonic() - begin)
    spread = 5 * sqrt(most) + RATE * 0.2
    return RATE * (ended - started) - spread, arrived, most + spread


def test_the_total_over_three_replicas_is_what_was_asked(
    three: tuple[Names, list[Replica]],
) -> None:
    _, replicas = three
    await_true("targets", replicas, lambda: all(r.value("credit_target_rate") for r in replicas))
    assert [r.value("credit_target_rate") for r in replicas] == [pytest.approx(RATE / 3)] * 3
    assert_total_is_what_was_asked(replicas)


def test_those_that_stay_take_over_what_one_leaves(three: tuple[Names, list[Replica]]) -> None:
    """One is stopped and removed from DNS; the two others take its share."""
    names, replicas = three
    replicas.pop().stop()
    names.number = 2
    await_true(
        "half of the load each",
        replicas,
        lambda: all(r.value("credit_target_rate") == RATE / 2 for r in replicas),
    )
    assert_total_is_what_was_asked(replicas)


def test_without_an_answer_the_last_count_holds(three: tuple[Names, list[Replica]]) -> None:
    """DNS unavailable, or no replica ready: no replica takes the whole load because of that."""
    names, replicas = three
    names.number = 0
    asked = names.asked
    await_true("each has asked again", replicas, lambda: names.asked > asked + 2 * len(replicas))
    assert [r.replicas.share for r in replicas] == [1 / 3] * 3


def test_a_service_without_a_name_for_its_replicas_is_alone() -> None:
    alone = Replicas(None)
    alone.start()
    assert alone.share == 1


def test_a_host_is_counted_once_whatever_families_it_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real resolver, and an answer of it for two hosts that have two addresses each."""
    assert count_addresses("localhost") == 1
    v4 = [(2, 1, 6, "", (address, 0)) for address in ("10.0.0.1", "10.0.0.2")]
    v6 = [(10, 1, 6, "", (address, 0, 0, 0)) for address in ("fd00::1", "fd00::2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [*v4, *v6])
    assert count_addresses("two") == 2
