"""A component of the lab: its name, its port, what asks it whether it works, how it is asked to end."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process of the lab.

    Attributes:
        name: as `status` and `logs` call it.
        port: the setting that holds its TCP port.
        probe: asks it whether it works; see lab/stack/probes.py.
        proof: what the probe waits for, in words: "postgres answers a query".
        stop_signal: what asks it to end in order.
        stop_within_s: how long that may take before it is killed.
        http: whether its address is a URL that a person may open.
        optional: whether only some machines have it: no word is said of it on the others.
    """

    name: str
    port: str
    probe: Callable[[LabSettings], str | None]
    proof: str
    stop_signal: str = "TERM"
    stop_within_s: int = 20
    http: bool = True
    optional: bool = False

    def address(self, settings: LabSettings) -> str:
        """Return where it is reached from this machine."""
        host = settings.bind_address if self.http else settings.postgres_host
        plain_address = f"{reachable(host)}:{getattr(settings, self.port)}"
        return f"http://{plain_address}" if self.http else plain_address
