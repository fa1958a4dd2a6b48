"""The rule of most checks: a setting has a sufficient value."""

from collections.abc import Callable

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status
from lab.doctor.facts import Facts


def check(
    facts: Facts,
    name: str,
    *,
    is_sufficient: Callable[[str], bool],
    wanted: str,
    title: str,
    impact: str,
) -> Check:
    """Check one setting of pg_settings; one with a dot in its name belongs to a library.

    Args:
        facts: of the database.
        name: the setting, which is also the check's name.
        is_sufficient: whether a value meets the requirement.
        wanted: the value that the fix sets.
        title: the requirement, as text.
        impact: the data that are missing without it.
    """
    known = facts.settings.get(name)
    if known is not None:
        status = Status.OK if is_sufficient(known.value) else Status.MISSING
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
            fix=Fix(statements=(grant,), note="Then run the doctor again."),
        )
    fix = None if status is Status.OK else fixes.setting(facts, name, wanted)
    return Check(name=name, title=title, status=status, found=found, impact=impact, fix=fix)


def on(value: str) -> bool:
    """Whether a boolean setting is on."""
    return value == "on"


def logged(value: str) -> bool:
    """Whether a threshold is enabled; -1 disables it."""
    return not value.startswith("-")
