"""The backend of Docker mode: the lab in containers, which Compose starts, and whose state it keeps.

Failures of Compose become error messages with the next step.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from lab.foundation import statefile
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings, with_account_links
from lab.stack import prometheus_configuration as monitoring
from lab.stack.backend import ComponentLine, ComponentUsage, Mode, Seed, UpResult
from lab.stack.components import COMPONENTS, SERVICES, SHOP, chosen, selection
from lab.stack.docker import compose
from lab.stack.docker.compose import ComposeError, EngineTimeoutError, NoEngineError
from lab.stack.docker.examination import examine, state_of
from lab.stack.docker.naming import (
    AGENT,
    CONSOLE,
    ONE_SHOT,
    component_of,
    container_of,
    known_container,
    services,
)
from lab.stack.ports import PortTakenError
from lab.stack.status import State, Status, completed
from lab.stack.up_options import UpOptions

LOG_LINES = 15
PORT = re.compile(r"(?:for|tcp[46]?) \S*?:(\d+)\b[^\n]*(?:allocated|in use)")


@dataclass(frozen=True, kw_only=True)
class DockerBackend:
    """See lab/stack/backend.py for each method."""

    settings: LabSettings
    mode: ClassVar = Mode.DOCKER
    has_store: ClassVar = False

    @property
    def up_options_file(self) -> Path:
        """The file with the options of the last `up`."""
        return Paths.of(self.settings).docker_up_options

    def available(self) -> bool:
        """Whether an engine and Compose are available that can run the lab.

        Raises:
            EngineTimeoutError: when the lab was started in containers, and their engine does not answer.
        """
        started = self.up_options_file.exists()
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

    def runs(self) -> bool:
        """Whether a container of the lab runs."""
        return self.available() and any(
            c.state in ("running", "restarting", "paused") for c in compose.containers().values()
        )

    def up(self, requested: UpOptions, *, reporter: Reporter, seed: Seed) -> UpResult:
        """Start all containers, or those that are missing; return when all are healthy.

        As natively, options that are not given keep the value of the last `up`, and after a `down` the data
        keep their scale. Compose does not report what it started: the result has every requested service.

        Args:
            requested: the options of this call.
            reporter: receives the progress.
            seed: not used: a container seeds the database.

        Raises:
            NoEngineError: when no engine answers.
            LabError: when a container cannot be started; containers of this call are removed.
        """
        del seed
        selection(requested.services)
        compose.require_engine()
        _require_key(compose.environment_of(AGENT))
        ran_before = compose.containers()
        known = UpOptions.read(self.up_options_file) or UpOptions()
        kept = known if ran_before else known.left_by_down(self.settings)
        options = kept.amended(requested)
        selected = chosen(options.services, shop=bool(options.shop))
        unwanted = {*SERVICES, SHOP} - set(selected)
        wanted = tuple(service for service in services() if service not in unwanted)
        variables = self._variables(options, selected)
        reporter.begin("containers", "pulling, building, starting; minutes the first time")
        limit = str(self.settings.startup_timeout_s * 2)
        arguments = ("up", "--detach", "--wait", "--wait-timeout", limit, "--quiet-pull", *wanted)
        try:
            compose.follow(*arguments, say=reporter.wait, variables=variables)
            if left_out := sorted(unwanted & ran_before.keys()):
                compose.follow("rm", "--stop", "--force", *left_out, say=reporter.wait)
        except (ComposeError, KeyboardInterrupt) as error:
            problem = explained(error, self.settings) if isinstance(error, ComposeError) else error
            if not ran_before:
                compose.follow("down", say=reporter.wait)
            raise problem from None
        options.write(self.up_options_file)
        reporter.done("containers", "all healthy")
        return UpResult(started=wanted)

    def _variables(self, options: UpOptions, selected: tuple[str, ...]) -> dict[str, str]:
        """Return the variables of docker-compose.yml for these options and services."""
        given = {"SEED_SCALE": options.scale, "WORKLOAD_LOAD": options.load}
        variables = {name: f"{value:g}" for name, value in given.items() if value is not None}
        if site := with_account_links(self.settings).lab_datadog_site:
            variables["LAB_DATADOG_SITE"] = site
        if set(selected) != set(SERVICES):
            targets = Paths.of(self.settings).docker_targets
            monitoring.write_docker_targets(targets, selected)
            variables["PROMETHEUS_TARGETS"] = str(targets)
        return variables

    def down(self, *, wipe: bool, reporter: Reporter) -> bool:
        """Remove every container, with `wipe` also the data; return whether there were any."""
        compose.require_engine()
        there = bool(compose.containers())
        reporter.begin("containers", "stopping")
        # Without its profile Compose would not remove the shop.
        volumes = ("--volumes",) if wipe else ()
        compose.follow("down", *volumes, say=reporter.wait, variables={"COMPOSE_PROFILES": SHOP})
        if wipe:
            statefile.discard(self.up_options_file)
            shutil.rmtree(Paths.of(self.settings).docker_targets, ignore_errors=True)
        reporter.done(
            "containers", "removed, with their data" if wipe else "removed; the data are kept"
        )
        return there

    def status(self) -> Status:
        """Return the state of the containers."""
        return completed(examine(), self.running_settings())

    def running_settings(self) -> LabSettings:
        """Return settings with the published addresses and ports of the containers, and their tokens."""
        update: dict[str, str | int | SecretStr] = {}
        for service, container in compose.containers().items():
            if service == CONSOLE:
                update |= _token("lab_console_token", service)
            if service in SERVICES and "lab_control_token" not in update:
                update |= _token("lab_control_token", service)
            if not container.published:
                continue
            [first, *_] = container.published
            address = f"http://{reachable(first.address)}:{first.port}"
            component = COMPONENTS.get(component_of(service))
            if component:
                update[component.port] = first.port
                host = "bind_address" if component.http else "postgres_host"
                update[host] = reachable(first.address)
            if service in ("grafana", "prometheus"):
                update["grafana_url" if service == "grafana" else "prometheus_ui_url"] = address
        return with_account_links(self.settings).model_copy(update=update)

    def logs(self, component: str | None, *, follow: bool, tail: int) -> Iterator[ComponentLine]:
        """Yield the lines of the containers' logs; Compose writes each container's name before its lines."""
        options = ("--tail", str(tail), *(("--follow",) if follow else ()))
        if component == "postgres":
            # The server logs to files, which the observers read.
            newest = "tail -n {} {} $(ls -t /var/run/postgresql/*.log | head -n 1)"
            shell = newest.format(tail, "-F" if follow else "")
            lines = compose.lines("exec", "-T", "postgres", "sh", "-c", shell)
        else:
            service = () if component is None else (known_container(component),)
            lines = compose.lines("logs", "--no-color", *options, *service)
        return (ComponentLine(component=None, text=line) for line in lines)

    def start_component(self, name: str) -> None:
        """Start a container."""
        compose.follow("start", container_of(name), say=lambda _: None)

    def stop_component(self, name: str) -> None:
        """Stop a container."""
        compose.follow("stop", container_of(name), say=lambda _: None)

    def usage(self) -> Iterator[ComponentUsage]:
        """Yield the usage of each container by the engine's statistics; takes two seconds."""
        for service, used in compose.usage().items():
            name = component_of(service)
            yield ComponentUsage(
                component=name,
                program=name,
                cpu_percent=used.cpu_percent,
                memory_bytes=used.memory_bytes,
                period="now",
            )


def _token(setting: str, service: str) -> dict[str, SecretStr]:
    """Return a setting with the token in the environment of a service's container; empty without one."""
    token = compose.environment_within(service).get(setting.upper())
    return {setting: SecretStr(token)} if token else {}


def _require_key(environment: Mapping[str, str | None]) -> None:
    key = environment.get("DD_API_KEY")
    if key and not re.fullmatch(r"[0-9a-f]{32}", key):
        raise LabError(
            f"DD_API_KEY is not an API key: it has {len(key)} characters, and a key is 32 of 0-9 and a-f."
            "\nCopy it again from Organization Settings > API Keys (not Application Keys) into .env,"
            " or leave it empty for local mode."
        )


def explained(error: ComposeError, settings: LabSettings) -> LabError:
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
        if ended_badly or state_of(container) is State.FAILING:
            tail = "\n".join(
                compose.lines("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
            )
            return LabError(f"The container {service} does not work. Its last lines:\n{tail}")
    return error
