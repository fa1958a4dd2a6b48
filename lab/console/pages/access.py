"""Who may see the pages: readers on this machine, or whoever knows the token.

Without a token the console listens on loopback only (lab/console/__main__.py). Requests of other sites'
pages, and those that call the console by a name that is not its own, are refused before (guard.py).
"""

import hashlib
import hmac
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "credit_lab"
COOKIE_AGE_S = 12 * 3600


class Gate(Protocol):
    """The intake's: knows the token."""

    def knows(self, request: Request) -> bool:
        """Whether the request carries the token in its headers; True when there is none."""


class Access:
    """Decides about requests for pages.

    A browser cannot be told to send a header, so that a token that was once typed in is remembered in a
    cookie: not the token itself, but a keyed hash of it.
    """

    def __init__(self, gate: Gate, token: str | None) -> None:
        self._gate = gate
        self._token = token

    def knows(self, request: Request) -> bool:
        """Whether the reader may see pages."""
        if self._gate.knows(request):
            return True
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._proof().encode())

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        return self._token is not None and hmac.compare_digest(
            given.strip().encode(), self._token.encode()
        )

    def remember(self, response: Response) -> None:
        """Let the browser in from now on."""
        response.set_cookie(
            COOKIE, self._proof(), max_age=COOKIE_AGE_S, httponly=True, samesite="strict"
        )

    def _proof(self) -> str:
        return hmac.new((self._token or "").encode(), b"console", hashlib.sha256).hexdigest()
