"""Names of the Compose services, and of the components that they run."""

from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown
from lab.stack.components import SHOP
from lab.stack.docker import compose

# Names of Compose's services that are not the component's name with hyphens for underscores.
NAMES = {"datadog-agent": "datadog"}
AGENT = "datadog-agent"
CONSOLE = "console"
ONE_SHOT = "seed"


def services() -> list[str]:
    """Return every service, including the shop, which Compose lists only with its profile."""
    return list(dict.fromkeys([*compose.services(), SHOP]))


def component_of(service: str) -> str:
    """Return the component of a Compose service."""
    return NAMES.get(service, service.replace("-", "_"))


def container_of(component: str) -> str:
    """Return the Compose service of a component."""
    return next((s for s, c in NAMES.items() if c == component), component.replace("_", "-"))


def known_container(component: str) -> str:
    """Return the Compose service of a component that a user named.

    Raises:
        LabError: with the known names.
    """
    known = {component_of(service): service for service in services()}
    if component not in known:
        raise LabError(unknown("component", component, known))
    return known[component]
