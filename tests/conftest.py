"""Loads one fixture file per concern: every tests/fix_*.py."""

from pathlib import Path

import pytest

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]
# All at once: one fixture file may import another before pytest comes to it.
pytest.register_assert_rewrite(*pytest_plugins)
