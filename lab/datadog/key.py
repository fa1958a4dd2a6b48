"""Checks whether Datadog accepts the API key: an Agent with a revoked key can seem healthy."""

import json
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from lab.datadog.account import API_KEY, SITES
from lab.foundation.settings import DatadogSettings

TIMEOUT_S = 4
PATH = "/api/v1/validate"


class KeyState(StrEnum):
    """State of the key; unknown without an answer."""

    VALID = "valid"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class KeyCheck:
    """The state of DD_API_KEY at DD_SITE, and the reason in one sentence without the key."""

    state: KeyState
    site: str
    detail: str


def api_url(site: str) -> str:
    """Return the URL of a site's API."""
    return f"https://api.{site}"


def check(settings: DatadogSettings) -> KeyCheck | None:
    """Return whether Datadog accepts DD_API_KEY; None when there is no key.

    Takes a few seconds at most and raises nothing: without a network the state is unknown.
    """
    key = settings.dd_api_key.get_secret_value() if settings.dd_api_key else ""
    if not key:
        return None
    site = settings.dd_site
    if not API_KEY.fullmatch(key):
        detail = f"it has {len(key)} characters; a key is 32 of 0-9 and a-f"
        return KeyCheck(state=KeyState.REFUSED, site=site, detail=detail)
    if site not in SITES:
        detail = f"DD_SITE is not a Datadog site; one of {', '.join(SITES)}"
        return KeyCheck(state=KeyState.REFUSED, site=site, detail=detail)
    state, detail = _asked(api_url(site), key)
    return KeyCheck(state=state, site=site, detail=detail)


def _asked(url: str, key: str) -> tuple[KeyState, str]:
    # Imported here: most calls have no key, and need neither TLS nor proxies.
    import urllib.request  # noqa: PLC0415

    request = urllib.request.Request(f"{url}{PATH}", headers={"DD-API-KEY": key})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            valid = json.loads(answer.read(1000)).get("valid")
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
            return KeyState.REFUSED, (
                "Datadog refuses it: a key of another site or a revoked one. Copy it again from"
                " Organization Settings > API Keys, or correct DD_SITE"
            )
        return KeyState.UNKNOWN, f"{url} answered with status {error.code}"
    except OSError as error:
        return KeyState.UNKNOWN, f"{url} did not answer: {getattr(error, 'reason', error)}"
    except (ValueError, AttributeError):
        return KeyState.UNKNOWN, f"{url} answered with a response that is not of Datadog's API"
    if valid is not True:
        return KeyState.UNKNOWN, f"{url} did not confirm that the key is valid"
    return KeyState.VALID, "Datadog accepts it"
