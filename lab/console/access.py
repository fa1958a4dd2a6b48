"""Access control of the pages: without a token from this machine only, otherwise with the token.

Without a token the console listens on loopback only (lab/console/__main__.py). guard.py refuses requests of
other sites' pages, and requests with a foreign Host header.
"""

import hashlib
import hmac

from starlette.requests import Request
from starlette.responses import Response

from lab.telemetry.intake import Gate

COOKIE = "credit_lab"
COOKIE_AGE_S = 12 * 3600


class Access:
    """Access control of requests for pages.

    A browser does not send the token as a header, so that after a login a cookie replaces it: a keyed hash
    of the token, not the token itself.
    """

    def __init__(self, gate: Gate, token: str | None) -> None:
        self._gate = gate
        self._token = token

    def is_authorized(self, request: Request) -> bool:
        """Whether the request is authorized."""
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
        """Set the cookie that authorizes the browser."""
        response.set_cookie(
            COOKIE, self._proof(), max_age=COOKIE_AGE_S, httponly=True, samesite="strict"
        )

    def forget(self, response: Response) -> None:
        """Delete the cookie: each request with the cookie of an old token would count as a wrong token."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    def _proof(self) -> str:
        return hmac.new((self._token or "").encode(), b"console", hashlib.sha256).hexdigest()
