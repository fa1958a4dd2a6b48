"""Status of the lab in containers: the state that Compose reports, in the form of native mode."""

from collections.abc import Mapping

from lab.stack.components import SERVICES, SHOP
from lab.stack.docker import compose
from lab.stack.docker.compose import Container
from lab.stack.docker.naming import AGENT, ONE_SHOT, component_of, services
from lab.stack.status import ComponentStatus, State, Status


def examine() -> Status:
    """Return the status of the containers, in the form of native mode.

    The Agent's version includes where it sends, in brackets.
    """
    found = compose.containers()
    components = tuple(
        _component(service, found.get(service), up=bool(found))
        for service in services()
        if service != ONE_SHOT and (service != SHOP or service in found)
    )
    return Status(mode="docker", components=components)


def datadog_mode(environment: Mapping[str, str | None]) -> str:
    """Return where an Agent in this environment sends, by the rules of datadog/entrypoint.sh."""
    intake = environment.get("LAB_INTAKE")
    if not environment.get("DD_API_KEY"):
        return f"local mode: nothing leaves this machine; payloads go to {intake or 'no intake'}"
    copy = f", and a copy to {intake}" if intake else ""
    return f"account mode: sending to {environment['DD_SITE']}{copy}"


def _component(service: str, container: Container | None, *, up: bool) -> ComponentStatus:
    name = component_of(service)
    if container is None:
        state = State.OFF if up and service in SERVICES else State.STOPPED
        return ComponentStatus(name=name, state=state, version=None, address="", pid=None)
    address = ""
    for published in container.published[:1]:
        scheme = "" if name == "postgres" else "http://"
        address = f"{scheme}{published.address}:{published.port}"
    version = container.image.rpartition(":")[2]
    if service == AGENT:
        version += f" ({datadog_mode(compose.environment_within(service))})"
    return ComponentStatus(
        name=name, state=state_of(container), version=version, address=address, pid=None
    )


def state_of(container: Container) -> State:
    """Return a container's state; one without a health check is running when its process runs."""
    if container.state == "restarting" or container.health == "unhealthy":
        return State.FAILING
    if container.state != "running":
        return State.STOPPED
    return State.STARTING if container.health == "starting" else State.RUNNING
