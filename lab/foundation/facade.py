"""Packages that export names of their modules without importing them: a module is imported at first use.

A command then imports `Source` of the store without SQLite, and a query of the intake without a web server.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def exports(package: str, *modules: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package (PEP 562) for the names of its `__all__`.

    Args:
        package: its name. None of its modules has the name of an exported object: importing it would set it.
        modules: its modules, light ones first; they are imported in this order until one has the name.
    """
    namespace = vars(sys.modules[package])

    def found(name: str) -> Any:
        if name in namespace["__all__"]:
            for module in modules:
                names = vars(import_module(f"{package}.{module}"))
                if name in names:
                    return namespace.setdefault(name, names[name])
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return found
