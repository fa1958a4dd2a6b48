"""What `up`, `status` and `doctor` report of the Datadog account: is its key valid, does data go there."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from lab.datadog import key
from lab.datadog.key import KeyCheck, KeyState
from lab.foundation.settings import DatadogSettings
from lab.stack.status import Status
from lab.telemetry.store.records import EMBEDDED_LABEL

STYLES = {KeyState.VALID: "green", KeyState.REFUSED: "bold red", KeyState.UNKNOWN: "yellow"}
# Datadog's documented installer; the option leaves the machine's own Agent service stopped.
INSTALL = (
    "DD_API_KEY=YOUR_KEY DD_SITE={site} DD_INSTALL_ONLY=true"
    ' bash -c "$(curl -L https://install.datadoghq.com/scripts/install_script_agent7.sh)"'
    " && ./creditlab down && ./creditlab up"
)


def checked_key() -> KeyCheck | None:
    """Ask Datadog about DD_API_KEY; None: there is none."""
    return key.check(DatadogSettings.load())


def as_json(check: KeyCheck | None) -> dict[str, Any]:
    """`{"datadog_key": {"state", "site", "detail"} | null}`."""
    return {"datadog_key": asdict(check) if check else None}


def notes(check: KeyCheck | None, status: Status | None = None) -> list[Text]:
    """Return a line on the key, and one more when no Agent sends anything to its account.

    Args:
        check: of the key; None: there is nothing to report.
        status: of the lab, when an Agent of it is in question.
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
        text = "No Datadog Agent 7 runs here, so nothing goes to your account. Install one:"
        lines.append(Text(text, style="yellow"))
    return lines


def install_command(check: KeyCheck | None, status: Status | None) -> str | None:
    """Return what installs the Agent on this system, where a key has none: to be printed in one line."""
    if check is None or status is None:
        return None
    is_embedded = any(
        EMBEDDED_LABEL in (component.version or "") for component in status.components
    )
    return INSTALL.format(site=check.site) if is_embedded else None
