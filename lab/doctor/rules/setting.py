"""The rule that most checks are: a setting has a value that will do."""

from collections.abc import Callable

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status
from lab.doctor.facts import Facts


def check(
    facts: Facts,
    name: str,
    *,
    will_do: Callable[[str], bool],
    wanted: str,
    title: str,
    impact: str,
) -> Check:
    """Judge one setting of pg_settings; one that has a dot in its name belongs to a library.

    Args:
        facts: the snapshot.
        name: the setting, which is also the check's name.
        will_do: whether a value is good enough.
        wanted: the value that the fix sets.
        title: the need, in words.
        impact: what nobody sees without it.
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
            impact=impact,
            fix=Fix(statements=(grant,), note="So that the doctor can tell."),
        )
    fix = None if status is Status.OK else fixes.setting(facts, name, wanted)
    return Check(name=name, title=title, status=status, found=found, impact=impact, fix=fix)


def on(value: str) -> bool:
    """Whether a boolean setting is on."""
    return value == "on"


def logged(value: str) -> bool:
    """Whether a threshold, of which -1 means never, is in use."""
    return not value.startswith("-")
