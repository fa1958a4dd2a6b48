"""The command line and the environment of each component; writes the files that it needs.

Independent of supervision. A process gets only the secrets that it needs.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from lab.foundation import statefile
from lab.foundation.addresses import reachable
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.stack import agent
from lab.stack import prometheus_configuration as monitoring
from lab.stack.agent import Agent
from lab.stack.check import CHECK, Checkout
from lab.stack.components import SERVICES, SHOP
from lab.stack.environment import of_settings, plain
from lab.stack.native import alertmanager as alerting
from lab.stack.native import binaries
from lab.stack.native.cluster import Cluster
from lab.telemetry.store.senders import CHECK_LABEL, embedded_label
from workload import __version__
from workload.settings import Settings

AGENT_SECRETS = {"datadog_db_password", "lab_console_token"}
CONSOLE_SECRETS = {"lab_db_password", "lab_console_token"}


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The settings and services from which a component's process is started."""

    settings: LabSettings
    services: tuple[str, ...]

    @property
    def paths(self) -> Paths:
        """Paths of this lab's files."""
        return Paths.of(self.settings)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line to exec, and its whole environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    version: str
    directory: Path = ROOT


def cluster(launch: Launch) -> tuple[Cluster, str]:
    """Return the lab's cluster and PostgreSQL's version."""
    program = binaries.postgres_bin()
    found = Cluster(
        settings=launch.settings,
        state=launch.paths.postgres,
        bin=program.path.parent,
        libraries=program.libraries,
    )
    return found, program.version


def postgres(launch: Launch) -> Command:
    """Return the command of PostgreSQL."""
    server, version = cluster(launch)
    return Command(argv=tuple(server.command()), environment=plain(), version=version)


def service(name: str, launch: Launch) -> Command:
    """Return the command of a service."""
    settings = launch.settings
    statefile.make_directory(launch.paths.scratch)
    return Command(
        argv=(sys.executable, "-P", "-m", "workload", name),
        environment={
            **_tracer(settings),
            "TMPDIR": str(launch.paths.scratch),  # ddtrace leaves a file there for each process
            **of_settings(settings, Settings.model_fields),
            "DD_SERVICE": f"credit-{name}",
        },
        version=__version__,
    )


def _tracer(settings: LabSettings) -> dict[str, str]:
    """Return the caller's DD_ variables without keys; by default the tracer sends to the lab's intake."""
    variables = {k: v for k, v in plain("DD_").items() if not k.endswith("_KEY")}
    if not {"DD_TRACE_AGENT_URL", "DD_AGENT_HOST", "DD_TRACE_AGENT_PORT"} & variables.keys():
        variables["DD_TRACE_AGENT_URL"] = f"http://{_span_intake(settings)}"
    return variables


def _span_intake(settings: LabSettings) -> str:
    installed = Agent.of(settings)
    if installed and installed.trace_agent:
        return f"{agent.LOOPBACK}:{settings.trace_agent_port}"
    return f"{reachable(settings.bind_address)}:{settings.console_port}"


def _program_of_lab(module: str, secrets: set[str], what: str, launch: Launch) -> Command:
    settings = launch.settings
    names = [
        name
        for name in LabSettings.model_fields
        if name in secrets or not isinstance(getattr(settings, name), SecretStr)
    ]
    return Command(
        argv=(sys.executable, "-P", "-m", module),
        environment={**plain(), **of_settings(settings, names)},
        version=f"{__version__}{what}",
    )


def datadog(launch: Launch) -> Command:
    """Return the command of the installed Agent, or of its substitute: embedded agent or Datadog's check."""
    installed = Agent.of(launch.settings)
    if installed:
        return _of_agent(
            installed, launch, [installed.path, "run", "--cfgpath", launch.paths.agent]
        )
    if launch.settings.datadog_agent == CHECK:
        version = Checkout.examine(launch.settings).version
        found = _program_of_lab("lab.telemetry.check", AGENT_SECRETS, "", launch)
        return replace(found, version=f"{version} ({CHECK_LABEL})")
    what = f" ({embedded_label(launch.settings.embedded_agent_activity_seconds)})"
    return _program_of_lab("lab.telemetry.embedded", AGENT_SECRETS, what, launch)


def trace_agent(launch: Launch) -> Command:
    """Return the command of the installed Agent's trace agent."""
    installed = Agent.of(launch.settings)
    assert installed
    assert installed.trace_agent
    main = launch.paths.agent / "datadog.yaml"
    return _of_agent(installed, launch, [installed.trace_agent, "run", "--config", main])


def console(launch: Launch) -> Command:
    """Return the command of the console."""
    return _program_of_lab("lab.console", CONSOLE_SECRETS, "", launch)


def _of_agent(installed: Agent, launch: Launch, program: Sequence[str | Path]) -> Command:
    settings = launch.settings
    log = launch.settings.postgres_log_dir or launch.paths.postgres / "data" / "log"
    agent.configure(launch.paths.agent, installed, settings, log)
    return Command(
        argv=("/bin/sh", str(agent.ENTRYPOINT), *map(str, program)),
        environment=agent.environment(launch.paths.agent, settings),
        version=f"{installed.version()} (Datadog Agent of this machine, {agent.mode()})",
        directory=launch.paths.agent,
    )


def exporter(launch: Launch) -> Command:
    """Return the command of postgres_exporter."""
    settings = launch.settings
    program = binaries.exporter()
    database = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_db}"
    return Command(
        argv=(
            str(program.path),
            f"@{monitoring.EXPORTER_ARGUMENTS}",
            f"--extend.query-path={monitoring.EXPORTER_QUERIES}",
            *monitoring.exporter_timeout(program.version),
            f"--web.listen-address={settings.bind_address}:{settings.exporter_port}",
        ),
        environment={
            **plain(),
            **program.environment(),
            "DATA_SOURCE_URI": f"{database}?sslmode=disable&application_name=postgres_exporter",
            "DATA_SOURCE_USER": "postgres_exporter",
            "DATA_SOURCE_PASS": settings.exporter_db_password.get_secret_value(),
        },
        version=program.version,
        directory=launch.paths.state,
    )


def prometheus(launch: Launch) -> Command:
    """Return the command of Prometheus, with a configuration that scrapes the selected services."""
    settings = launch.settings
    program = binaries.prometheus()
    directory = launch.paths.prometheus
    ports = {name: getattr(settings, f"{name}_port") for name in launch.services}
    monitoring.configure(directory / "etc", settings, ports, alertmanager=alerting.present())
    statefile.make_directory(directory / "data")
    return Command(
        argv=(
            str(program.path),
            f"--config.file={directory / 'etc' / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--storage.tsdb.retention.time={settings.prometheus_retention}",
            f"--storage.tsdb.retention.size={settings.prometheus_retention_size}",
            f"--web.listen-address={settings.bind_address}:{settings.prometheus_port}",
            "--enable-feature=exemplar-storage,extra-scrape-metrics",
        ),
        environment={**plain(), **program.environment()},
        version=program.version,
        directory=directory,
    )


def alertmanager(launch: Launch) -> Command:
    """Return the command of Alertmanager, which notifies the console; a single instance."""
    settings = launch.settings
    program = alerting.find()
    directory = launch.paths.alertmanager
    alerting.provide_templates(program, directory)
    monitoring.configure_alertmanager(directory / "etc", settings)
    statefile.make_directory(directory / "data")
    return Command(
        argv=(
            str(program.path),
            f"--config.file={directory / 'etc' / 'alertmanager.yml'}",
            f"--storage.path={directory / 'data'}",
            "--cluster.listen-address=",
            f"--web.listen-address={settings.bind_address}:{settings.alertmanager_port}",
        ),
        environment={**plain(), **program.environment()},
        version=program.version,
        directory=directory,
    )


COMMANDS: dict[str, Callable[[Launch], Command]] = {
    "postgres": postgres,
    **{name: partial(service, name) for name in (*SERVICES, SHOP)},
    "postgres_exporter": exporter,
    "prometheus": prometheus,
    "alertmanager": alertmanager,
    "datadog": datadog,
    "trace_agent": trace_agent,
    "console": console,
}
