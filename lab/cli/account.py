"""The Datadog account in `up`, `status` and `doctor`: whether the key is valid, and whether data is sent."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from lab.datadog import key
from lab.datadog.key import KeyCheck, KeyState
from lab.foundation.settings import DatadogSettings
from lab.telemetry.store.senders import CHECK_LABEL

if TYPE_CHECKING:
    from lab.stack.status import Status

STYLES = {KeyState.VALID: "green", KeyState.REFUSED: "bold red", KeyState.UNKNOWN: "yellow"}
# In the version of the component that replaces the Agent.
SUBSTITUTES = ("embedded agent", CHECK_LABEL)
# Datadog's documented installer; the option leaves the machine's own Agent service stopped.
INSTALL = (
    "DD_API_KEY=YOUR_KEY DD_SITE={site} DD_INSTALL_ONLY=true"
    ' bash -c "$(curl -L https://install.datadoghq.com/scripts/install_script_agent7.sh)"'
    " && ./creditlab down && ./creditlab up"
)


def checked_key() -> KeyCheck | None:
    """Validate DD_API_KEY with Datadog; None when it is not set."""
    return key.check(DatadogSettings.load())


def as_json(check: KeyCheck | None) -> dict[str, Any]:
    """`{"datadog_key": {"state", "site", "detail"} | null}`."""
    return {"datadog_key": asdict(check) if check else None}


def notes(check: KeyCheck | None, status: "Status | None" = None) -> list[Text]:
    """Return a line on the key, and another one when no Agent sends data to its account.

    Args:
        check: result of the key's validation; None: there is nothing to report.
        status: the lab's status, if its Agent is of interest.
    """
    if check is None:
        return []
    lines = [
        Text.assemble(
            f"DD_API_KEY at {check.site}: ",
            (check.state.value, STYLES[check.state]),
            f" ({check.detail})",
        )
    ]
    if install_command(check, status):
        text = "No Datadog Agent 7 runs here, so no data reaches your account. Install one:"
        lines.append(Text(text, style="yellow"))
    return lines


def install_command(check: KeyCheck | None, status: "Status | None") -> str | None:
    """Return the command that installs the Agent, if there is a key and no Agent; print it in one line."""
    if check is None or status is None:
        return None
    versions = [component.version or "" for component in status.components]
    replaced = any(name in version for version in versions for name in SUBSTITUTES)
    return INSTALL.format(site=check.site) if replaced else None
