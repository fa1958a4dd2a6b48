"""`bench propagation` on a server of its own: which driver's executions can be linked to their spans."""

import psutil
import pytest

from lab.bench.propagation import packages
from lab.foundation.errors import LabError
from tests.fix_bench import Bench


@pytest.fixture(scope="module")
def drivers() -> None:
    try:
        packages.drivers(lambda _: None)
    except LabError as error:
        pytest.skip(f"pip cannot install the drivers here: {error}")


@pytest.mark.usefixtures("drivers")
def test_what_postgresql_saw_of_each_driver(bench: Bench) -> None:
    """ddtrace puts nothing into asyncpg's statements with parameters, and marks their spans all the same.

    psycopg 3 prepares a repeated text: with the ids of a span in it no text is repeated.
    """
    before = set(psutil.Process().children(recursive=True))
    found = bench(
        "propagation", "--rounds", "1", "--executions", "4", "--drivers", "psycopg 3,asyncpg",
        "--routes", "direct",
    )  # fmt: skip
    assert set(psutil.Process().children(recursive=True)) <= before
    seen = {(c["cell"]["driver"], c["cell"]["mode"]): c["seen"] for c in found["cells"]}
    link = {key: (s["linked"]["to_span"], s["linked"]["to_service"]) for key, s in seen.items()}
    assert link == {
        ("psycopg 3", "disabled"): (0, 0), ("psycopg 3", "service"): (0, 1), ("psycopg 3", "full"): (1, 1),
        ("asyncpg", "disabled"): (0, 0), ("asyncpg", "service"): (0, 0), ("asyncpg", "full"): (0, 0),
    }  # fmt: skip
    assert seen["asyncpg", "full"]["linked"]["claimed"] == 1
    assert {key: one["plans_reused"] for key, one in seen.items() if key[0] == "psycopg 3"} == {
        ("psycopg 3", "disabled"): 1, ("psycopg 3", "service"): 1, ("psycopg 3", "full"): 0,
    }  # fmt: skip
    assert {one["entries"] for one in seen.values()} == {2}
    for cell in found["cells"]:
        assert cell["typical"]["client_cpu_us"] > 0
        assert cell["typical"]["server_cpu_us"] > 0
