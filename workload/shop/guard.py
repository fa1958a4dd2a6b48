"""Validation of forms: the visitor, the CSRF token, and the input.

Each function accepts the request or answers 400.
"""

import hmac
import re
import secrets
from uuid import UUID, uuid4

from flask import abort, request, session

from workload import cpf as cpfs

TOKEN = "csrf_token"  # noqa: S105 - a field's name
MAX_QUANTITY = 99
MAX_ID = 2**63 - 1
NUMBER = re.compile(r"[0-9]{1,19}")


def visitor() -> UUID:
    """Return the visitor's id from the signed cookie, created with the first page."""
    if "visitor" not in session:
        session["visitor"] = uuid4().hex
        session[TOKEN] = secrets.token_urlsafe(24)
    return UUID(session["visitor"])


def token() -> str:
    """Return the CSRF token of this visitor's forms."""
    visitor()
    return str(session[TOKEN])


def check_token() -> None:
    """Answer 400 unless the form has the token of the visitor's own session."""
    given = request.form.get(TOKEN, "")
    if TOKEN not in session or not hmac.compare_digest(given.encode(), session[TOKEN].encode()):
        abort(400, "This form is too old, or not from this shop. Load the page again.")


def number(field: str, *, most: int = MAX_ID) -> int:
    """Return a whole number from 1 to `most` from the form, or answer 400."""
    text = request.form.get(field, "")
    if not NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        abort(400, f"{field} must be a whole number from 1 to {most}.")
    return int(text)


def cpf() -> str:
    """Return a CPF with valid check digits from the form, or answer 400."""
    digits = re.sub(r"[.\-\s]", "", request.form.get("cpf", ""))
    if not cpfs.is_valid(digits):
        abort(400, "This is not a valid CPF: the check digits are wrong.")
    return digits
