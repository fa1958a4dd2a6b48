"""The processes that share the tests: each gets the labs that it is named for (see tests/conftest.py)."""

from lab.foundation.settings import ROOT
from tests.conftest import CHANGED_LABS, CHANGING, CONTAINERS, OBSERVED_LABS, scope_of


def test_labs_are_handed_out_in_the_order_of_the_workers() -> None:
    """In the order of the files the first three scopes are those of the first three workers."""
    files = sorted(
        file.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("test_*.py")
    )
    scopes = list(dict.fromkeys(scope_of(file) for file in files))
    compose = "tests/acceptance/test_compose.py"
    assert [OBSERVED_LABS, CONTAINERS, CHANGED_LABS] == ["gw0", "gw1", "gw2"]
    assert scopes[:3] == [OBSERVED_LABS, compose, CHANGED_LABS]
    assert {f"tests/acceptance/{name}" for name in CHANGING} <= set(files)
