"""Loads one fixture file per concern: every tests/fix_*.py."""

from pathlib import Path

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]
