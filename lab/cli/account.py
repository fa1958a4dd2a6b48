"""What `up`, `status` and `doctor` report of the Datadog account: is its key valid, does data go there."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from lab.datadog import key
from lab.datadog.key import KeyCheck, KeyState
from lab.foundation.settings import DatadogSettings
from lab.stack.status import Status
from lab.telemetry.embedded import LABEL

STYLES = {KeyState.VALID: "green", KeyState.REFUSED: "bold red", KeyState.UNKNOWN: "yellow"}
# Datadog's documented installer; the option leaves the machine's own Agent service stopped.
INSTALL = (
    "DD_API_KEY=YOUR_KEY DD_SITE={site} DD_INSTALL_ONLY=true"
    ' bash -c "$(curl -L https://install.datadoghq.com/scripts/install_script_agent7.sh)"'
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
    if status and any(LABEL in (c.version or "") for c in status.components):
        install = INSTALL.format(site=check.site)
        lines.append(
            Text(
                "No Datadog Agent 7 runs here, so nothing goes to your account. Install one, then"
                f" ./creditlab down and up: {install}",
                style="yellow",
            )
        )
    return lines
