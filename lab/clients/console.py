"""Client of the console's endpoints for a lab whose state directory the console does not share."""

from http import HTTPStatus

from lab.clients import http
from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings

ANSWERED_WITHIN_S = 5.0


def put(settings: LabSettings, path: str, body: bytes) -> bytes | None:
    """Send a document, and return that of the response; None when the console does not accept it.

    Args:
        settings: those of the running lab, with the console's address and token.
        path: of the endpoint.
        body: JSON.
    """
    token = settings.lab_console_token
    try:
        response = http.send(
            "PUT", reachable(settings.bind_address), settings.console_port, path, body=body,
            token=token.get_secret_value() if token else None, timeout_s=ANSWERED_WITHIN_S,
        )  # fmt: skip
    except http.NoResponseError:
        return None
    is_accepted = HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
    return response.body if is_accepted else None
