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

    def is_right(self, request: Request, given: str, expected: str) -> bool:
        """Whether a secret is the expected one; wrong ones are counted by address."""

    def is_blocked(self, request: Request) -> bool:
        """Whether the sender has tried too many wrong tokens."""


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
        return self._gate.is_right(request, request.cookies.get(COOKIE, ""), self._proof())

    def is_token(self, request: Request, given: str) -> bool:
        """Whether this is the token."""
        return self._token is not None and self._gate.is_right(request, given.strip(), self._token)

    def is_blocked(self, request: Request) -> bool:
        """Whether the sender has tried too many wrong tokens within the last minute."""
        return self._gate.is_blocked(request)

    def remember(self, response: Response) -> None:
        """Let the browser in from now on."""
        response.set_cookie(
            COOKIE, self._proof(), max_age=COOKIE_AGE_S, httponly=True, samesite="strict"
        )

    def forget(self, response: Response) -> None:
        """Have the browser forget what it remembers: each page with a cookie of an old token would count."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    def _proof(self) -> str:
        return hmac.new((self._token or "").encode(), b"console", hashlib.sha256).hexdigest()
