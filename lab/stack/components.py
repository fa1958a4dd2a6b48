"""The table of what native mode runs: how each component is started, and how to tell that it works.

A further component is one more entry of `COMPONENTS`. Nothing here knows how processes are supervised.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import lab
from lab.errors import LabError
from lab.paths import Paths
from lab.settings import ROOT, LabSettings
from lab.stack import agent, binaries, monitoring, probes
from lab.stack.agent import Agent
from lab.stack.cluster import Cluster
from lab.stack.environment import of_settings, plain
from lab.stack.suggestions import unknown
from workload.settings import Settings

# In the order of workload.services.SERVICES, which costs a third of a second to import.
SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk")
# A service like them in all but this: it runs when `up --shop` asked for it.
SHOP = "shop"

AGENT_SECRETS = {"datadog_db_password", "lab_console_token"}
CONSOLE_SECRETS = {"lab_db_password", "lab_console_token"}
# Wherever its data or its state is shown, so that nobody takes it for the product.
EMBEDDED = "embedded agent, not Datadog's"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a component's process is started from."""

    settings: LabSettings
    services: tuple[str, ...]

    @property
    def paths(self) -> Paths:
        """Where this lab keeps its files."""
        return Paths.of(self.settings)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line to exec, and all that its environment holds."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    version: str
    directory: Path = ROOT


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process of the lab.

    Attributes:
        name: as `status` and `logs` call it.
        port: the setting that holds its TCP port.
        command: prepares its files and returns what to exec.
        probe: asks it whether it works; see lab/stack/probes.py.
        proof: what the probe waits for, in words: "postgres answers a query".
        stop_signal: what asks it to end in order.
        stop_within_s: how long that may take before it is killed.
        http: whether its address is a URL that a person may open.
        optional: whether only some machines have it: no word is said of it on the others.
    """

    name: str
    port: str
    command: Callable[[Launch], Command]
    probe: Callable[[LabSettings], str | None]
    proof: str
    stop_signal: str = "TERM"
    stop_within_s: int = 20
    http: bool = True
    optional: bool = False

    def address(self, settings: LabSettings) -> str:
        """Return where it is reached from this machine."""
        host = settings.bind_address if self.http else settings.postgres_host
        plain_address = f"{probes.reachable(host)}:{getattr(settings, self.port)}"
        return f"http://{plain_address}" if self.http else plain_address


def cluster(launch: Launch) -> tuple[Cluster, str]:
    """Return the lab's cluster and the version of its programs."""
    program = binaries.postgres_bin()
    made = Cluster(
        settings=launch.settings,
        state=launch.paths.postgres,
        bin=program.path.parent,
        libraries=program.libraries,
    )
    return made, program.version


def _postgres(launch: Launch) -> Command:
    server, version = cluster(launch)
    return Command(argv=tuple(server.command()), environment=plain(), version=version)


def service(name: str, launch: Launch) -> Command:
    """Return how one of the services is started, traced to where the lab's own are."""
    settings = launch.settings
    launch.paths.scratch.mkdir(exist_ok=True)
    return Command(
        argv=(sys.executable, "-P", "-m", "workload", name),
        environment={
            **_tracer(settings),
            "TMPDIR": str(launch.paths.scratch),  # ddtrace leaves a file there for each process
            **of_settings(settings, Settings.model_fields),
            "DD_SERVICE": f"credit-{name}",
        },
        version=lab.__version__,
    )


def _tracer(settings: LabSettings) -> dict[str, str]:
    """The caller's DD_ variables less the account's keys; unless these say where, spans stay in the lab."""
    variables = {k: v for k, v in plain("DD_").items() if not k.endswith("_KEY")}
    if not {"DD_TRACE_AGENT_URL", "DD_AGENT_HOST", "DD_TRACE_AGENT_PORT"} & variables.keys():
        variables["DD_TRACE_AGENT_URL"] = f"http://{_takes_spans(settings)}"
    return variables


def _takes_spans(settings: LabSettings) -> str:
    installed = Agent.of(settings)
    if installed and installed.trace_agent:
        return f"{agent.LOOPBACK}:{settings.trace_agent_port}"
    return f"{probes.reachable(settings.bind_address)}:{settings.console_port}"


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
        version=f"{lab.__version__}{what}",
    )


def _datadog(launch: Launch) -> Command:
    """The machine's own Agent where it has one, else the embedded agent."""
    installed = Agent.of(launch.settings)
    if installed:
        return _of_agent(
            installed, launch, [installed.path, "run", "--cfgpath", launch.paths.agent]
        )
    return _program_of_lab("lab.embedded", AGENT_SECRETS, f" ({EMBEDDED})", launch)


def _trace_agent(launch: Launch) -> Command:
    installed = Agent.of(launch.settings)
    assert installed
    assert installed.trace_agent
    main = launch.paths.agent / "datadog.yaml"
    return _of_agent(installed, launch, [installed.trace_agent, "run", "--config", main])


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


def _works(settings: LabSettings) -> str | None:
    path = "/debug/vars" if Agent.of(settings) else "/metrics"
    return probes.answers(settings, settings.embedded_agent_port, path)


def _exporter(launch: Launch) -> Command:
    settings = launch.settings
    program = binaries.exporter()
    database = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_db}"
    return Command(
        argv=(
            str(program.path),
            f"@{monitoring.EXPORTER_ARGUMENTS}",
            f"--extend.query-path={monitoring.EXPORTER_QUERIES}",
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


def _prometheus(launch: Launch) -> Command:
    settings = launch.settings
    program = binaries.prometheus()
    directory = launch.paths.prometheus
    ports = {name: getattr(settings, f"{name}_port") for name in launch.services}
    monitoring.configure(directory / "etc", settings, ports)
    return Command(
        argv=(
            str(program.path),
            f"--config.file={directory / 'etc' / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--storage.tsdb.retention.time={settings.prometheus_retention}",
            f"--storage.tsdb.retention.size={settings.prometheus_retention_size}",
            f"--web.listen-address={settings.bind_address}:{settings.prometheus_port}",
            "--enable-feature=exemplar-storage",
        ),
        environment={**plain(), **program.environment()},
        version=program.version,
        directory=directory,
    )


def _answers(port: str, path: str, settings: LabSettings) -> str | None:
    return probes.answers(settings, getattr(settings, port), path)


POSTGRES = Component(
    name="postgres",
    port="postgres_port",
    command=_postgres,
    probe=probes.query,
    proof="postgres answers a query",
    stop_signal="INT",  # fast shutdown; TERM would wait for every client to leave
    stop_within_s=60,
    http=False,
)

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (
        POSTGRES,
        *(
            Component(
                name=name,
                port=f"{name}_port",
                command=partial(service, name),
                probe=partial(_answers, f"{name}_port", "/healthz"),
                proof=f"{name} answers /healthz",
                stop_within_s=40,
            )
            for name in SERVICES
        ),
        Component(
            name=SHOP,
            port="shop_port",
            command=partial(service, SHOP),
            probe=partial(_answers, "shop_port", "/healthz"),
            proof="the shop answers /healthz",
            stop_within_s=40,
            optional=True,
        ),
        Component(
            name="postgres_exporter",
            port="exporter_port",
            command=_exporter,
            probe=lambda settings: probes.scrape(settings, settings.exporter_port),
            proof="a scrape of postgres_exporter has pg_up 1",
        ),
        Component(
            name="prometheus",
            port="prometheus_port",
            command=_prometheus,
            probe=partial(_answers, "prometheus_port", "/-/ready"),
            proof="prometheus answers /-/ready",
            stop_within_s=30,
        ),
        Component(
            name="datadog",
            port="embedded_agent_port",
            command=_datadog,
            probe=_works,
            proof="the agent answers on its own port",
        ),
        Component(
            name="trace_agent",
            port="trace_agent_port",
            command=_trace_agent,
            probe=partial(_answers, "trace_agent_port", "/info"),
            proof="the trace agent answers /info",
            optional=True,
        ),
        Component(
            name="console",
            port="console_port",
            command=partial(_program_of_lab, "lab.console", CONSOLE_SECRETS, ""),
            probe=partial(_answers, "console_port", "/healthz"),
            proof="the console answers /healthz",
        ),
    )
}


def find(name: str) -> Component:
    """Return a component by name.

    Raises:
        LabError: with the names there are.
    """
    if name not in COMPONENTS:
        raise LabError(unknown("component", name, COMPONENTS))
    return COMPONENTS[name]


def chosen(services: tuple[str, ...] | None, *, shop: bool) -> tuple[str, ...]:
    """Return the services of an `up`: all five when none is named, and the shop if it was asked for."""
    return (*(services or SERVICES), *((SHOP,) if shop else ()))


def selection(
    services: tuple[str, ...] | None, installed: Agent | None = None, *, shop: bool = False
) -> tuple[Component, ...]:
    """Return what an `up` with these services runs, in the order of starting; None means all.

    Args:
        services: names of some of the five.
        installed: the Agent that takes the embedded one's place.
        shop: whether the shop runs, too.

    Raises:
        LabError: when one is no service.
    """
    for name in services or ():
        if name not in SERVICES:
            raise LabError(unknown("service", name, SERVICES))
    left_out = set(SERVICES) - set(SERVICES if services is None else services)
    if not (installed and installed.trace_agent):
        left_out.add("trace_agent")
    if not shop:
        left_out.add(SHOP)
    return tuple(c for c in COMPONENTS.values() if c.name not in left_out)
