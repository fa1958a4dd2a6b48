"""All drills by name, discovered in faults/: to add a drill, add a file there."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from lab.drills import faults
from lab.drills.errors import UnknownDrillError
from lab.foundation.suggestions import unknown

if TYPE_CHECKING:
    from lab.drills.drill import Drill


class Catalogue(Mapping[str, "Drill"]):
    """The drills by name, in the order of their places; the faults are imported at the first use."""

    @cached_property
    def _drills(self) -> dict[str, "Drill"]:
        return {d.name: d for d in sorted(_declared(), key=lambda d: d.place)}

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """The name of each alias."""
        return {alias: drill.name for drill in self.values() for alias in drill.aliases}

    def __getitem__(self, name: str) -> "Drill":
        return self._drills[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drills)

    def __len__(self) -> int:
        return len(self._drills)


def _declared() -> Iterator["Drill"]:
    drill = import_module("lab.drills.drill").Drill
    for module in iter_modules(faults.__path__, f"{faults.__name__}."):
        yield from (v for v in vars(import_module(module.name)).values() if isinstance(v, drill))


DRILLS = Catalogue()


def find(name: str) -> "Drill":
    """Return a drill by its name or alias; case is ignored, and blanks count as hyphens.

    Raises:
        UnknownDrillError: the message lists the known names.
    """
    plain = name.strip().lower().replace(" ", "-").replace("_", "-")
    known = DRILLS.aliases.get(plain, plain)
    if known not in DRILLS:
        raise UnknownDrillError(unknown("drill", name, [*DRILLS, *DRILLS.aliases]))
    return DRILLS[known]
