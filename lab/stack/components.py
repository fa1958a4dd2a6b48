"""The table of the lab's components, and the selection of those that an `up` starts.

A new component needs an entry in `COMPONENTS`, and natively one in `COMMANDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lab.clients import services
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.suggestions import unknown
from lab.stack import probes
from lab.stack.agent import Agent

SERVICES = services.NAMES
# The sixth service; it runs only with `up --shop`.
SHOP = "shop"


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process of the lab.

    Attributes:
        name: its name in `status` and `logs`.
        port: the setting of its TCP port.
        probe: checks whether it works; see lab/stack/probes.py.
        proof: the state that the probe checks: "postgres answers a query".
        stop_signal: the signal for an orderly stop.
        stop_within_s: seconds until it is killed after that signal.
        http: whether it answers HTTP.
        pages: whether its address opens in a browser; only then it is shown as a URL.
        optional: whether only some labs have it; `status` does not list it in the others.
    """

    name: str
    port: str
    probe: Callable[[LabSettings], str | None]
    proof: str
    stop_signal: str = "TERM"
    stop_within_s: int = 20
    http: bool = True
    pages: bool = True
    optional: bool = False

    def address(self, settings: LabSettings) -> str:
        """Return the address at which this machine reaches it."""
        host = settings.bind_address if self.http else settings.postgres_host
        plain_address = f"{reachable(host)}:{getattr(settings, self.port)}"
        return f"http://{plain_address}" if self.http and self.pages else plain_address


def _answers(port: str, path: str, settings: LabSettings) -> str | None:
    return probes.answers(settings, getattr(settings, port), path)


def _works(settings: LabSettings) -> str | None:
    path = "/debug/vars" if Agent.of(settings) else "/metrics"
    return probes.answers(settings, settings.embedded_agent_port, path)


POSTGRES = Component(
    name="postgres",
    port="postgres_port",
    probe=probes.query,
    proof="postgres answers a query",
    stop_signal="INT",  # fast shutdown; TERM would wait for all clients to disconnect
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
                probe=partial(_answers, f"{name}_port", "/healthz"),
                proof=f"{name} answers /healthz",
                stop_within_s=40,
            )
            for name in SERVICES
        ),
        Component(
            name=SHOP,
            port="shop_port",
            probe=partial(_answers, "shop_port", "/healthz"),
            proof="the shop answers /healthz",
            stop_within_s=40,
            optional=True,
        ),
        Component(
            name="postgres_exporter",
            port="exporter_port",
            probe=lambda settings: probes.scrape(settings, settings.exporter_port),
            proof="a scrape of postgres_exporter has pg_up 1",
        ),
        Component(
            name="prometheus",
            port="prometheus_port",
            pages=False,  # Debian's package has none; links lead to the console's page /prometheus
            probe=partial(_answers, "prometheus_port", "/-/ready"),
            proof="prometheus answers /-/ready",
            stop_within_s=30,
        ),
        Component(
            name="alertmanager",
            port="alertmanager_port",
            pages=False,  # as Prometheus: the console's page Alerts shows what it sends
            probe=partial(_answers, "alertmanager_port", "/-/ready"),
            proof="alertmanager answers /-/ready",
            optional=True,
        ),
        Component(
            name="datadog",
            port="embedded_agent_port",
            probe=_works,
            proof="the agent answers on its own port",
        ),
        Component(
            name="trace_agent",
            port="trace_agent_port",
            probe=partial(_answers, "trace_agent_port", "/info"),
            proof="the trace agent answers /info",
            optional=True,
        ),
        Component(
            name="console",
            port="console_port",
            probe=partial(_answers, "console_port", "/healthz"),
            proof="the console answers /healthz",
        ),
    )
}


def find(name: str) -> Component:
    """Return a component by name.

    Raises:
        LabError: with the known names.
    """
    if name not in COMPONENTS:
        raise LabError(unknown("component", name, COMPONENTS))
    return COMPONENTS[name]


def chosen(services: tuple[str, ...] | None, *, shop: bool) -> tuple[str, ...]:
    """Return the services of an `up`: all five when none is named, and the shop with `shop`."""
    return (*(services or SERVICES), *((SHOP,) if shop else ()))


def selection(
    services: tuple[str, ...] | None,
    installed: Agent | None = None,
    *,
    shop: bool = False,
    alertmanager: bool = True,
) -> tuple[Component, ...]:
    """Return the components of an `up`, in the order of starting.

    Args:
        services: names of some of the five; None means all.
        installed: the Agent that replaces the embedded one.
        shop: whether the shop runs, too.
        alertmanager: whether there is one to run.

    Raises:
        LabError: when a name is not a service.
    """
    for name in services or ():
        if name not in SERVICES:
            raise LabError(unknown("service", name, SERVICES))
    left_out = set(SERVICES) - set(SERVICES if services is None else services)
    if not (installed and installed.trace_agent):
        left_out.add("trace_agent")
    if not alertmanager:
        left_out.add("alertmanager")
    if not shop:
        left_out.add(SHOP)
    return tuple(c for c in COMPONENTS.values() if c.name not in left_out)
