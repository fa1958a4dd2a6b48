"""Client of the services' HTTP endpoints: health, metrics, and control of load, delay and pause."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from lab.clients import exposition, http
from lab.clients.exposition import Sample
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings

__all__ = ["NAMES", "Sample", "ServiceClient", "ServiceUnreachableError", "clients", "shop_client"]

# In the order of workload.services.SERVICES, whose import loads their operations and the driver.
NAMES = ("proposals", "underwriting", "customers", "servicing", "risk")
TIMEOUT_S = 5.0
# A pause returns when the last running operation has ended: the duration of the longest operation.
PAUSE_TIMEOUT_S = 40.0
_clocks = msgspec.json.Decoder(dict[str, tuple[int, float, dict[int, int]]])


class ServiceUnreachableError(LabError):
    """A service does not answer; check `./creditlab status` and `./creditlab logs`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceClient:
    """Client of one service at the address where it listens; `token` is LAB_CONTROL_TOKEN."""

    name: str
    address: str
    token: str | None = None

    def health(self) -> dict[str, Any]:
        """Return /healthz: service, instance, version, state, load.

        Raises:
            ServiceUnreachableError: also when another program answers at the address.
        """
        answer = self._request("GET", "/healthz")
        try:
            health = json.loads(answer)
        except (ValueError, RecursionError):
            health = None
        if not isinstance(health, dict):
            raise self._unexpected_answer("/healthz", answer)
        return health

    def samples(self, *, timeout_s: float = TIMEOUT_S) -> list[Sample]:
        """Return every sample of /metrics."""
        page = self._request("GET", "/metrics", timeout=timeout_s)
        try:
            return list(exposition.samples(page.decode()))
        except ValueError:
            raise self._unexpected_answer("/metrics", page) from None

    def clocks(
        self, *, buckets: bool, timeout_s: float = TIMEOUT_S
    ) -> dict[str, tuple[int, float, dict[int, int]]]:
        """Return the service's clocks by service/kind/name: count, seconds, `buckets` when asked for.

        Raises:
            ServiceUnreachableError: also when another program answers at the address.
        """
        path = "/clocks/buckets" if buckets else "/clocks"
        answer = self._request("GET", path, timeout=timeout_s)
        try:
            return _clocks.decode(answer)
        except msgspec.DecodeError:
            raise self._unexpected_answer(path, answer) from None

    def _unexpected_answer(self, path: str, answer: bytes) -> ServiceUnreachableError:
        start = answer[:60].decode(errors="replace")
        return ServiceUnreachableError(
            f"Another program than credit-{self.name} answers http://{self.address}{path}: {start!r}.\n"
            f"Stop that program, or choose another port in .env."
        )

    def set_load(self, load: float) -> None:
        """Change the multiplier of every arrival rate."""
        self._request("PUT", "/load", f"{load:g}".encode())

    def set_delay(self, seconds: float) -> None:
        """Delay each operation before its first statement, in seconds; ends after 5 min."""
        self._request("PUT", "/delay", f"{seconds:g}".encode())

    def pause(self) -> None:
        """Stop arrivals; return when no operation runs and no connection is open."""
        self._request("POST", "/pause", b"", timeout=PAUSE_TIMEOUT_S)

    def resume(self) -> None:
        """End a pause."""
        self._request("POST", "/resume", b"")

    def _request(
        self, method: str, path: str, body: bytes | None = None, *, timeout: float = TIMEOUT_S
    ) -> bytes:
        try:
            response = http.send(
                method, self.address, None, path, body=body, token=self.token, timeout_s=timeout
            )
        except http.NoResponseError as error:
            raise ServiceUnreachableError(
                f"credit-{self.name} does not answer {method} http://{self.address}{path}: {error}"
            ) from error
        if not response.is_ok:
            raise ServiceUnreachableError(
                f"credit-{self.name} answers {method} {path} with status {response.status}:"
                f" {response.text.strip()}"
            )
        return response.body


def clients(settings: LabSettings) -> list[ServiceClient]:
    """Return a client for each of the five services, running or not."""
    return [_client(settings, name, getattr(settings, f"{name}_port")) for name in NAMES]


def shop_client(settings: LabSettings) -> ServiceClient:
    """Return a client for the shop, running or not."""
    return _client(settings, "shop", settings.shop_port)


def _client(settings: LabSettings, name: str, port: int) -> ServiceClient:
    token = settings.lab_control_token
    return ServiceClient(
        name=name,
        address=f"{name if settings.services_by_name else reachable(settings.bind_address)}:{port}",
        token=token.get_secret_value() if token else None,
    )
