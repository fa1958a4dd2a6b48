"""The doors of an exam for commands: which of them are closed, and the record of what they printed."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from lab.exam import abandoned
from lab.exam.doors import EXPLAINED, Door, doors
from lab.exam.place import Place
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.screen import out

STATEMENTS = (Door.PROMETHEUS, Door.DATADOG, Door.LOG)
# None: closed in every exam. Commands that are not here show no evidence of a fault.
NEEDS: Mapping[str, tuple[Door, ...] | None] = MappingProxyType({
    "trace": EXPLAINED,
    "queries": STATEMENTS,
    "query": STATEMENTS,
    "sessions": (Door.SQL,),
    "psql": (Door.SQL,),
    "logs": (Door.LOG,),
    "compare": tuple(Door),
    # They name stopped components, sessions and settings, whatever observer shows them.
    "status": tuple(Door),
    "doctor": tuple(Door),
    "drill": None,
    "bench": None,
    "tour": None,
    "sheet": None,
    "verify": None,
    "restart": None,
    # It would start what the fault has stopped.
    "up": None,
})  # fmt: skip
# Of the groups above: these neither inject a fault nor show one.
HARMLESS = MappingProxyType({"drill": frozenset({"list", "show", "stop"})})


def enter(name: str, arguments: Sequence[str]) -> Callable[[], None]:
    """Check that a command may run now, and return the function to call at its end.

    An exam whose process died is healed first.

    Raises:
        ClosedError: when the running exam does not have its doors.
    """
    if name not in NEEDS or (arguments and arguments[0] in HARMLESS.get(name, ())):
        return _nothing
    settings = LabSettings.load()
    found = doors(settings)
    if found.exam is not None and found.exam.process() is None:
        if name == "up":
            return _nothing  # it heals when PostgreSQL runs
        abandoned.recover(running_settings(settings), Place(settings))
        found = doors(settings)
    needed = NEEDS[name]
    if needed is None:
        found.require_none(f"./creditlab {name}")
        return _nothing
    found.require(*needed)
    if found.exam is None:
        return _nothing
    first, *further = needed
    what = " ".join([name, *arguments])
    if name == "psql":  # replaces this process
        found.record(first, what, "")
        return _nothing
    out.record = True
    return lambda: found.record(first, what, out.export_text(clear=False), *further)


def _nothing() -> None:
    """Do nothing: no exam is running, or the command is always open."""
