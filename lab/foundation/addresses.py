"""Addresses at which this machine reaches a server, and those in the links of alerts and monitors."""

from lab.foundation.settings import LabSettings

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
# In the links of alerts and monitors, whose files have no variables.
DEFAULT_CONSOLE, DEFAULT_GRAFANA = "http://127.0.0.1:8088", "http://127.0.0.1:3001"


def reachable(address: str) -> str:
    """Return the address at which this machine reaches a server that listens on `address`."""
    return ANY_ADDRESS.get(address, address)


def with_own_addresses(text: str, settings: LabSettings) -> str:
    """Return a text whose links lead to this lab's console and Grafana instead of the default ports."""
    console = f"http://{reachable(settings.bind_address)}:{settings.console_port}"
    grafana = settings.grafana_url or DEFAULT_GRAFANA
    return text.replace(DEFAULT_CONSOLE, console).replace(DEFAULT_GRAFANA, grafana)
