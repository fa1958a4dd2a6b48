"""`--images real`: the lab in containers is tested with the images of .env.example, and nothing else is."""

import pytest

CONTAINERS = "acceptance/test_compose.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption(
        "--images",
        choices=("standin", "real"),
        default="standin",
        help="what the lab in containers runs: stand-ins of Debian packages, or the real images",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the tests of containers when they are to run the real images."""
    if config.getoption("--images") == "real":
        chosen = [item for item in items if CONTAINERS in item.nodeid]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
