"""Environments of the components' processes: variables that any program needs, and selected settings."""

import os
from collections.abc import Iterable

from pydantic import SecretStr

from workload.settings import Settings

PLAIN = {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME"}


def plain(*prefixes: str) -> dict[str, str]:
    """Return the caller's general variables (PATH, locale, ...), and those with these prefixes."""
    wanted = ("LC_", *prefixes)
    return {k: v for k, v in os.environ.items() if k in PLAIN or k.startswith(wanted)}


def inherited() -> dict[str, str]:
    """Return all of the caller's variables."""
    return dict(os.environ)


def of_settings(settings: Settings, names: Iterable[str]) -> dict[str, str]:
    """Return settings as environment variables; unset ones are left out."""
    variables = {}
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            variables[name.upper()] = value.get_secret_value()
        elif value is not None:
            variables[name.upper()] = str(value)
    return variables
