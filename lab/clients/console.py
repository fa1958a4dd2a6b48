"""Client of the console's endpoints for a lab whose state directory the console does not share."""

import http.client

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
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    connection = http.client.HTTPConnection(
        reachable(settings.bind_address), settings.console_port, timeout=ANSWERED_WITHIN_S
    )
    try:
        connection.request("PUT", path, body, headers)
        response = connection.getresponse()
        found = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    is_accepted = http.HTTPStatus.OK <= response.status < http.HTTPStatus.MULTIPLE_CHOICES
    return found if is_accepted else None
