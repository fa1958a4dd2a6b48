"""The rule that most checks are: a setting has a value that will do."""

from collections.abc import Callable

from lab.doctor import mends
from lab.doctor.check import Check, Mend, Status
from lab.doctor.facts import Facts


def check(
    facts: Facts,
    name: str,
    *,
    will_do: Callable[[str], bool],
    wanted: str,
    title: str,
    dark: str,
) -> Check:
    """Judge one setting of pg_settings; one that has a dot in its name belongs to a library.

    Args:
        facts: the snapshot.
        name: the setting, which is also the check's name.
        will_do: whether a value is good enough.
        wanted: the value that the mend sets.
        title: the need, in words.
        dark: what nobody sees without it.
    """
    known = facts.settings.get(name)
    if known is not None:
        status = Status.OK if will_do(known.value) else Status.MISSING
        found = f"{name} = {known.value!r}"
        if known.source == "command line":
            found += " (set on the command line)"
    elif "." in name:
        status, found = Status.MISSING, f"{name.partition('.')[0]} is not loaded"
    else:
        grant = f"GRANT pg_read_all_settings TO {facts.role_sql}"
        return Check(
            name=name,
            title=title,
            status=Status.UNKNOWN,
            found=f"role {facts.role} may not see {name}",
            dark=dark,
            mend=Mend(statements=(grant,), note="So that the doctor can tell."),
        )
    mend = None if status is Status.OK else mends.setting(facts, name, wanted)
    return Check(name=name, title=title, status=status, found=found, dark=dark, mend=mend)


def on(value: str) -> bool:
    """Whether a boolean setting is on."""
    return value == "on"


def logged(value: str) -> bool:
    """Whether a threshold, of which -1 means never, is in use."""
    return not value.startswith("-")
