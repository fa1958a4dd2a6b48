"""A component of the lab: its name, port, readiness probe, and stop signal."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings


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
