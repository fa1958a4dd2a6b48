"""The services' own clocks: exact counts and sums, percentiles within one per cent, over HTTP."""

import json
import random
import threading
from itertools import accumulate

import pytest

from lab.clients.services import ServiceClient, ServiceUnreachableError, clients
from lab.foundation.settings import LabSettings
from tests.fix_postgres import free_port
from workload.clocks import Clock, Clocks, bucket_of, middle_s
from workload.http_server import serve


def test_no_observation_of_any_thread_is_lost() -> None:
    clock = Clock()

    def observe() -> None:
        for _ in range(5_000):
            clock.observe(0.25)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.reading(buckets=False) == (20_000, 5_000.0, {})
    assert clock.reading(buckets=True) == (20_000, 5_000.0, {bucket_of(0.25): 20_000})


@pytest.mark.parametrize("scale_s", [1e-4, 0.02, 3.0])
def test_a_percentile_of_the_buckets_is_exact_to_one_per_cent(scale_s: float) -> None:
    generator = random.Random(7)
    durations = sorted(generator.expovariate(1 / scale_s) for _ in range(20_000))
    clock = Clock()
    for seconds in durations:
        clock.observe(seconds)
    _, _, buckets = clock.reading(buckets=True)
    ordered = sorted(buckets.items())
    found = next(
        bucket
        for (bucket, _), total in zip(ordered, accumulate(n for _, n in ordered), strict=True)
        if total >= 19_000
    )
    assert middle_s(found) == pytest.approx(durations[18_999], rel=0.011)


def test_a_service_serves_its_clocks() -> None:
    """With the counts of the buckets only where they are asked for; another program's answer is refused."""
    clocks, port = Clocks(), free_port()
    clocks.of("credit-risk", "statement", "delinquency").observe(0.5)
    clocks.of("credit-risk", "statement", "delinquency").observe(1.5)

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "application/json")])
        path = environ["PATH_INFO"]
        if path == "/clocks/buckets":
            return [json.dumps(clocks.document(buckets=True)).encode()]
        return [json.dumps(clocks.document(buckets=False)).encode()]

    serve(application, address="127.0.0.1", port=port, setting="X")
    client = ServiceClient(name="risk", address=f"127.0.0.1:{port}")
    key = "credit-risk/statement/delinquency"
    assert client.clocks(buckets=False) == {key: (2, 2.0, {})}
    assert client.clocks(buckets=True) == {key: (2, 2.0, {bucket_of(0.5): 1, bucket_of(1.5): 1})}
    absent = ServiceClient(name="risk", address=f"127.0.0.1:{free_port()}")
    with pytest.raises(ServiceUnreachableError):
        absent.clocks(buckets=False)


def test_a_service_is_at_its_own_name_in_docker() -> None:
    """Natively all are at the same address."""
    native = LabSettings(_env_file=None)
    docker = native.model_copy(update={"services_by_name": True})
    assert clients(native)[0].address == f"127.0.0.1:{native.proposals_port}"
    assert clients(docker)[0].address == f"proposals:{native.proposals_port}"
