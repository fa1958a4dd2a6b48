"""The rule of most checks: a setting has a sufficient value."""

from collections.abc import Callable

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status
from lab.doctor.facts import Facts


def check(
    facts: Facts,
    name: str,
    *,
    wanted: str,
    is_sufficient: Callable[[str], bool] | None = None,
    title: str,
    impact: str,
) -> Check:
    """Check one setting of pg_settings; one with a dot in its name belongs to a library.

    Args:
        facts: of the database.
        name: the setting, which is also the check's name.
        wanted: the value that the fix sets.
        is_sufficient: whether a value meets the requirement; by default only the wanted one does.
        title: the requirement, as text.
        impact: the data that are missing without it.
    """
    known = facts.settings.get(name)
    if known is not None:
        good = is_sufficient(known.value) if is_sufficient else known.value == wanted
        status = Status.OK if good else Status.MISSING
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


def logged(value: str) -> bool:
    """Whether a threshold is enabled; -1 disables it."""
    return not value.startswith("-")
