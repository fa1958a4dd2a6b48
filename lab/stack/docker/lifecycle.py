"""`up`, `status`, `logs` and `down` of the lab in containers, with the interface of native mode.

Compose starts the containers and keeps their state; its failures become error messages with the next step.
"""

import re
import shutil
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from lab.foundation import statefile
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings, with_account_links
from lab.foundation.suggestions import unknown
from lab.stack import prometheus_configuration as monitoring
from lab.stack.components import COMPONENTS, SERVICES, SHOP, chosen, selection
from lab.stack.docker import compose
from lab.stack.docker.compose import (
    ComposeError,
    Container,
    EngineTimeoutError,
    NoEngineError,
    Usage,
)
from lab.stack.ports import PortTakenError
from lab.stack.status import ComponentStatus, State, Status
from lab.stack.up_options import UpOptions

# Names of Compose's services that are not the component's name with hyphens for underscores.
NAMES = {"datadog-agent": "datadog"}
AGENT = "datadog-agent"
CONSOLE = "console"
ONE_SHOT = "seed"
LOG_LINES = 15
PORT = re.compile(r"(?:for|tcp[46]?) \S*?:(\d+)\b[^\n]*(?:allocated|in use)")


def answers(settings: LabSettings) -> bool:
    """Whether an engine and Compose are available that can run the lab.

    Raises:
        EngineTimeoutError: when the lab was started in containers, and their engine does not answer.
    """
    started = Paths.of(settings).docker_up_options.exists()
    try:
        compose.require_engine(
            compose.RUNNING_ANSWERS_WITHIN_S if started else compose.ANSWERS_WITHIN_S
        )
    except EngineTimeoutError:
        if started:
            raise
        return False
    except NoEngineError:
        return False
    return True


def runs() -> bool:
    """Whether a container of the lab runs, healthy or not."""
    return any(
        c.state in ("running", "restarting", "paused") for c in compose.containers().values()
    )


def up(settings: LabSettings, requested: UpOptions, *, reporter: Reporter) -> None:
    """Start all containers, or those that are missing; return when all are healthy.

    As natively, options that are not given keep the value of the last `up`, and after a `down` the data
    keep their scale.

    Args:
        settings: the state directory for the options, and the ports for error messages.
        requested: the options of this call.
        reporter: receives the progress.

    Raises:
        NoEngineError: when no engine answers.
        LabError: when a container cannot be started; containers of this call are removed.
    """
    selection(requested.services)
    compose.require_engine()
    _require_key(compose.environment_of(AGENT))
    ran_before = compose.containers()
    file = Paths.of(settings).docker_up_options
    known = UpOptions.read(file) or UpOptions()
    options = (known if ran_before else known.left_by_down(settings)).amended(requested)
    services = chosen(options.services, shop=bool(options.shop))
    unwanted = {*SERVICES, SHOP} - set(services)
    wanted = [service for service in _services() if service not in unwanted]
    given = {"SEED_SCALE": options.scale, "WORKLOAD_LOAD": options.load}
    variables = {name: f"{value:g}" for name, value in given.items() if value is not None}
    if site := with_account_links(settings).lab_datadog_site:
        variables["LAB_DATADOG_SITE"] = site
    if unwanted != {SHOP}:
        targets = Paths.of(settings).docker_targets
        monitoring.write_docker_targets(targets, services)
        variables["PROMETHEUS_TARGETS"] = str(targets)
    reporter.begin("containers", "pulling, building, starting; minutes the first time")
    limit = str(settings.startup_timeout_s * 2)
    arguments = ("up", "--detach", "--wait", "--wait-timeout", limit, "--quiet-pull", *wanted)
    try:
        compose.follow(*arguments, say=reporter.wait, variables=variables)
        if left_out := sorted(unwanted & ran_before.keys()):
            compose.follow("rm", "--stop", "--force", *left_out, say=reporter.wait)
    except (ComposeError, KeyboardInterrupt) as error:
        problem = _explained(error, settings) if isinstance(error, ComposeError) else error
        if not ran_before:
            compose.follow("down", say=reporter.wait)
        raise problem from None
    options.write(file)
    reporter.done("containers", "all healthy")


def running_settings(settings: LabSettings) -> LabSettings:
    """Return settings with the published addresses and ports of the containers, and their token."""
    update: dict[str, str | int | SecretStr] = {}
    for service, container in compose.containers().items():
        component = COMPONENTS.get(component_of(service))
        if component and container.published:
            [first, *_] = container.published
            update[component.port] = first.port
            host = "bind_address" if component.http else "postgres_host"
            if component.name == "prometheus":
                update["prometheus_ui_url"] = f"http://{reachable(first.address)}:{first.port}"
            update[host] = reachable(first.address)
            if service in SERVICES and "lab_control_token" not in update:
                token = compose.environment_within(service).get("LAB_CONTROL_TOKEN")
                update |= {"lab_control_token": SecretStr(token)} if token else {}
    return with_account_links(settings).model_copy(update=update)


def reader_settings(settings: LabSettings) -> LabSettings:
    """Return settings with the console's address and token, and Grafana's URL for links."""
    update: dict[str, str | SecretStr] = {}
    if token := compose.environment_within(CONSOLE).get("LAB_CONSOLE_TOKEN"):
        update["lab_console_token"] = SecretStr(token)
    grafana = compose.containers().get("grafana")
    if grafana and grafana.published:
        [first, *_] = grafana.published
        update["grafana_url"] = f"http://{reachable(first.address)}:{first.port}"
    return running_settings(settings).model_copy(update=update)


def usage() -> dict[str, Usage]:
    """Return the resource usage of each container, by component.

    Raises:
        ComposeError: with the engine's message.
    """
    return {component_of(service): used for service, used in compose.usage().items()}


def status() -> Status:
    """Return the status of the containers, in the form of native mode.

    The Agent's version includes where it sends, in brackets.
    """
    found = compose.containers()
    components = tuple(
        _component(service, found.get(service), up=bool(found))
        for service in _services()
        if service != ONE_SHOT and (service != SHOP or service in found)
    )
    return Status(mode="docker", components=components)


def logs(component: str | None, *, follow: bool, tail: int) -> Iterator[str]:
    """Yield the last lines of a component's log, or of all; with `follow`, new ones as they come."""
    options = ("--tail", str(tail), *(("--follow",) if follow else ()))
    if component == "postgres":
        # The server logs to files, which the observers read.
        newest = "tail -n {} {} $(ls -t /var/run/postgresql/*.log | head -n 1)"
        shell = newest.format(tail, "-F" if follow else "")
        return compose.lines("exec", "-T", "postgres", "sh", "-c", shell)
    service = () if component is None else (_service(component),)
    return compose.lines("logs", "--no-color", *options, *service)


def down(settings: LabSettings, *, wipe: bool, reporter: Reporter) -> bool:
    """Remove every container, with `wipe` also the data; return whether there were any."""
    compose.require_engine()
    there = bool(compose.containers())
    reporter.begin("containers", "stopping")
    # Without its profile Compose would not remove the shop.
    volumes = ("--volumes",) if wipe else ()
    compose.follow("down", *volumes, say=reporter.wait, variables={"COMPOSE_PROFILES": SHOP})
    if wipe:
        statefile.discard(Paths.of(settings).docker_up_options)
        shutil.rmtree(Paths.of(settings).docker_targets, ignore_errors=True)
    reporter.done(
        "containers", "removed, with their data" if wipe else "removed; the data are kept"
    )
    return there


def datadog_mode(environment: Mapping[str, str | None]) -> str:
    """Return where an Agent in this environment sends, by the rules of datadog/entrypoint.sh."""
    intake = environment.get("LAB_INTAKE")
    if not environment.get("DD_API_KEY"):
        return f"local mode: nothing leaves this machine; payloads go to {intake or 'no intake'}"
    copy = f", and a copy to {intake}" if intake else ""
    return f"account mode: sending to {environment['DD_SITE']}{copy}"


def _require_key(environment: Mapping[str, str | None]) -> None:
    key = environment.get("DD_API_KEY")
    if key and not re.fullmatch(r"[0-9a-f]{32}", key):
        raise LabError(
            f"DD_API_KEY is not an API key: it has {len(key)} characters, and a key is 32 of 0-9 and a-f."
            "\nCopy it again from Organization Settings > API Keys (not Application Keys) into .env,"
            " or leave it empty for local mode."
        )


def _services() -> list[str]:
    """Return every service, including the shop, which Compose lists only with its profile."""
    return list(dict.fromkeys([*compose.services(), SHOP]))


def component_of(service: str) -> str:
    """Return the component of a Compose service."""
    return NAMES.get(service, service.replace("-", "_"))


def container_of(component: str) -> str:
    """Return the Compose service of a component."""
    return next((s for s, c in NAMES.items() if c == component), component.replace("_", "-"))


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
        name=name, state=_state(container), version=version, address=address, pid=None
    )


def _state(container: Container) -> State:
    if container.state == "restarting" or container.health == "unhealthy":
        return State.FAILING
    if container.state != "running":
        return State.STOPPED
    return State.STARTING if container.health == "starting" else State.RUNNING


def _service(component: str) -> str:
    known = {component_of(service): service for service in _services()}
    if component not in known:
        raise LabError(unknown("component", component, known))
    return known[component]


def _explained(error: ComposeError, settings: LabSettings) -> LabError:
    """Return an error with the next step for an error of Compose."""
    match = PORT.search(str(error))
    if match:
        port = int(match[1])
        names = [n for n in type(settings).model_fields if n.endswith("_port")]
        # Only Grafana's port is not in the settings.
        setting = next((n.upper() for n in names if getattr(settings, n) == port), "GRAFANA_PORT")
        return PortTakenError(
            f"Port {port} is in use on this machine: set another with {setting}.\n"
            "Nothing was started. Put settings into .env or the environment."
        )
    for service, container in compose.containers().items():
        ended_badly = service == ONE_SHOT and container.exit_code != 0
        if ended_badly or _state(container) is State.FAILING:
            tail = "\n".join(
                compose.lines("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
            )
            return LabError(f"The container {service} does not work. Its last lines:\n{tail}")
    return error
