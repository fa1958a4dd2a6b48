"""Packages that import their modules at the first use of a name."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

PACKAGES = (
    "lab.drilldown",
    "lab.seed",
    "lab.telemetry.intake",
    "lab.telemetry.pglog",
    "lab.telemetry.redact",
    "lab.telemetry.store",
    "lab.telemetry.truth",
    "lab.verify",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_is_found(package: str) -> None:
    """Each name of `__all__` is in one of the modules that the package names."""
    module = import_module(package)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_another_name_is_an_error(package: str) -> None:
    """A name that the package does not export is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = import_module(package).nonsense


@pytest.mark.parametrize("package", PACKAGES)
def test_no_exported_name_is_that_of_a_module(package: str) -> None:
    """The import of a module sets its name in the package, in place of the exported object."""
    module = import_module(package)
    assert set(module.__all__).isdisjoint(each.name for each in iter_modules(module.__path__))
