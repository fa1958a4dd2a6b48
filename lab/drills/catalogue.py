"""All drills by name, discovered in faults/: to add a drill, add a file there."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from lab.drills import faults
from lab.drills.drill import Drill
from lab.drills.errors import UnknownDrillError
from lab.foundation.suggestions import unknown


def _declared() -> Iterator[Drill]:
    for module in iter_modules(faults.__path__, f"{faults.__name__}."):
        yield from (v for v in vars(import_module(module.name)).values() if isinstance(v, Drill))


DRILLS = MappingProxyType({d.name: d for d in sorted(_declared(), key=lambda d: d.place)})
ALIASES = MappingProxyType(
    {alias: drill.name for drill in DRILLS.values() for alias in drill.aliases}
)


def find(name: str) -> Drill:
    """Return a drill by its name or alias; case is ignored, and blanks count as hyphens.

    Raises:
        UnknownDrillError: the message lists the known names.
    """
    plain = name.strip().lower().replace(" ", "-").replace("_", "-")
    known = ALIASES.get(plain, plain)
    if known not in DRILLS:
        raise UnknownDrillError(unknown("drill", name, [*DRILLS, *ALIASES]))
    return DRILLS[known]
