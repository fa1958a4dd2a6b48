"""How often and how patiently an attempt is made again."""

import random
import threading
from collections import Counter

import pytest

from workload import retry
from workload.retry import Retries


class Pauses(threading.Event):
    """A stop that never comes and remembers how long was waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return False


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
def retries(pauses: Pauses, counted: Counter[str]) -> Retries:
    return Retries(rng=random.Random(15), stop=pauses, counted=lambda r: counted.update([r]))


def test_contention_is_borne_a_few_times(
    retries: Retries, pauses: Pauses, counted: Counter[str]
) -> None:
    """Five attempts in all; the pauses grow, and none is longer than a person would notice."""
    tries = [retries.after_contention() for _ in range(retry.CONTENTION_ATTEMPTS)]
    assert tries == [True] * 4 + [False]
    assert counted == {"serialization": 4}
    steps = [0.02, 0.04, 0.08, 0.16]
    assert all(
        0.5 * s <= seconds <= 1.5 * s for s, seconds in zip(steps, pauses.seconds, strict=True)
    )


def test_the_back_off_for_a_lost_database_grows_up_to_a_bound(
    retries: Retries, pauses: Pauses, counted: Counter[str]
) -> None:
    assert all(retries.after_lost_connection(in_doubt=False) for _ in range(50))
    assert counted == {"connection": 50}
    assert 0.05 <= pauses.seconds[0] <= 0.15
    assert all(0.5 <= seconds <= 1.5 for seconds in pauses.seconds[4:])


def test_those_who_lost_the_same_server_do_not_return_in_step(
    retries: Retries, pauses: Pauses
) -> None:
    for _ in range(20):
        retries.after_lost_connection(in_doubt=False)
    assert len(set(pauses.seconds)) == 20


@pytest.mark.parametrize(("in_doubt", "again"), [(False, False), (True, True)])
def test_patience_ends_unless_a_commit_is_in_doubt(
    pauses: Pauses,
    counted: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    in_doubt: bool,
    again: bool,
) -> None:
    monkeypatch.setattr(retry, "CONNECTION_PATIENCE_S", -1.0)
    retries = Retries(rng=random.Random(), stop=pauses, counted=lambda r: counted.update([r]))
    assert retries.after_lost_connection(in_doubt=in_doubt) is again
    assert counted["connection"] == int(again)


def test_a_service_that_stops_waits_for_no_database() -> None:
    stop = threading.Event()
    stop.set()
    retries = Retries(rng=random.Random(), stop=stop, counted=lambda _: None)
    assert not retries.after_lost_connection(in_doubt=True)
