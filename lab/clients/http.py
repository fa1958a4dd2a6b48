"""One HTTP request to a component of the lab, without TLS, over a connection of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from lab.foundation.errors import LabError


class NoResponseError(LabError):
    """A component does not answer; check `./creditlab status`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """The response of a component."""

    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == HTTPStatus.OK

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode(errors="replace")


def send(
    method: str,
    host: str,
    port: int | None,
    path: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    most_bytes: int | None = None,
) -> Response:
    """Send a request, and return its response with any status.

    Args:
        method: such as GET.
        host: a name or an address; without `port` it may end with a colon and the port.
        port: None: that of the host, else 80.
        path: with the query.
        timeout_s: for the connection and for each read, in seconds.
        body: of the request.
        token: sent as a Bearer token.
        headers: further ones.
        most_bytes: of the response's body that are read; None reads all.

    Raises:
        NoResponseError: with the reason, when there is no valid response within the time limit.
    """
    # Imported here: with TLS and e-mail headers it takes longer than the commands that send no request.
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415

    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {**authorization, **(headers or {})})
        response = connection.getresponse()
        return Response(status=response.status, body=response.read(most_bytes))
    except (OSError, HTTPException) as error:
        raise NoResponseError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
