"""Which HTTP requests a process of the lab answers: by Host, Origin, Sec-Fetch-Site and Bearer token.

Any web page can make its visitor's browser send requests to 127.0.0.1 (CSRF), and a site whose name
resolves to 127.0.0.1 (DNS rebinding) can read the answers too. A browser sends the page in Origin and
Sec-Fetch-Site, which no script can change, and the requested name in Host. Programs (Prometheus,
ddtrace, an Agent) send neither of the first two; Grafana's server forwards "same-origin", of its own page.

One rule for WSGI and ASGI: the services and the shop use it here, the console and the embedded agent in lab/.
"""

import hmac
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from workload.settings import Settings

LOCALHOST = "localhost"
MAX_HOST = 300
HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.ASCII)
READING = {"GET", "HEAD"}
BEARER = "Bearer "
Header = Callable[[str], str | None]


def is_loopback(address: str) -> bool:
    """Whether a bind address is loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == LOCALHOST


def has_token(header: Header, token: str) -> bool:
    """Whether a request has the token as `Authorization: Bearer`."""
    given = (header("authorization") or "").removeprefix(BEARER)
    return hmac.compare_digest(given.encode(), token.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An HTTP status, and the reason of the refusal."""

    status: HTTPStatus
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestPolicy:
    """The rule for one listening process.

    Attributes:
        names: the accepted host names besides localhost, in lower case.
        beyond_loopback: whether other machines reach it; then any IP address is accepted as host, because
            DNS rebinding needs a name.
    """

    names: frozenset[str] = frozenset()
    beyond_loopback: bool = False

    @classmethod
    def of(cls, settings: Settings, own_names: Iterable[str] = ()) -> Self:
        """Return the rule for a process that listens on BIND_ADDRESS.

        Args:
            settings: BIND_ADDRESS and ALLOWED_HOSTS.
            own_names: its names in Compose and Kubernetes; accepted beyond loopback.
        """
        allowed = {name.strip().lower() for name in settings.allowed_hosts.split(",")} - {""}
        beyond = not is_loopback(settings.bind_address)
        if beyond:
            allowed |= {*own_names, socket.gethostname().lower(), settings.bind_address.lower()}
        return cls(names=frozenset(allowed), beyond_loopback=beyond)

    def refusal(self, method: str, header: Header, *, own_pages: bool) -> Refusal | None:
        """Return why a request is refused, or None.

        Args:
            method: of HTTP.
            header: returns a header by its lower-case name; several of one name joined by commas.
            own_pages: whether pages of the same origin may send requests.
        """
        host = (header("host") or "").lower()
        if not self._is_ours(host):
            return Refusal(
                status=HTTPStatus.MISDIRECTED_REQUEST,
                message=f'Host "{host[:60]}" is not a host name of this lab: use 127.0.0.1 or localhost,'
                " or add the name to ALLOWED_HOSTS in .env.",
            )
        origin = header("origin")
        if origin is not None and not (own_pages and _is_of(origin, host)):
            return _foreign(f'Origin "{origin[:60]}"')
        site = header("sec-fetch-site")
        allowed = {None, "none", "same-origin"} if own_pages else {None, "none"}
        if site not in allowed and not _is_navigation(method, header):
            return _foreign(f'Sec-Fetch-Site "{str(site)[:60]}"')
        return None

    def _is_ours(self, host: str) -> bool:
        parts = HOST.fullmatch(host) if len(host) <= MAX_HOST else None
        if parts is None:
            return False
        name = parts[1] or parts[2]
        if name == LOCALHOST or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.beyond_loopback or address.is_loopback


def _is_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc == host


def _is_navigation(method: str, header: Header) -> bool:
    """Whether it is a top-level navigation: the linking page can neither read nor frame the answer."""
    return (
        method in READING
        and header("sec-fetch-mode") == "navigate"
        and header("sec-fetch-dest") == "document"
    )


def _foreign(what: str) -> Refusal:
    return Refusal(
        status=HTTPStatus.FORBIDDEN,
        message=f"{what} is from a web page that may not send requests here: use curl or ./creditlab.",
    )
