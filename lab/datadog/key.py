"""Whether Datadog accepts the API key: an Agent whose key is revoked can look healthy all the same."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from lab.datadog.account import API_KEY, SITES
from lab.foundation.settings import DatadogSettings

TIMEOUT_S = 4
PATH = "/api/v1/validate"


class KeyState(StrEnum):
    """What is known of the key; without an answer nothing is."""

    VALID = "valid"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class KeyCheck:
    """The state of DD_API_KEY at DD_SITE, and its reason in one sentence without the key."""

    state: KeyState
    site: str
    detail: str


def api_url(site: str) -> str:
    """Return where a site's API answers."""
    return f"https://api.{site}"


def check(settings: DatadogSettings) -> KeyCheck | None:
    """Ask Datadog whether DD_API_KEY is valid; None: there is no key.

    Takes at most some seconds and raises nothing: without a network the state is unknown.
    """
    key = settings.dd_api_key.get_secret_value() if settings.dd_api_key else ""
    if not key:
        return None
    site = settings.dd_site
    if not API_KEY.fullmatch(key):
        detail = f"it has {len(key)} characters; a key is 32 of 0-9 and a-f"
        return KeyCheck(state=KeyState.REFUSED, site=site, detail=detail)
    if site not in SITES:
        detail = f"DD_SITE is no site of Datadog; one of {', '.join(SITES)}"
        return KeyCheck(state=KeyState.REFUSED, site=site, detail=detail)
    state, detail = _asked(api_url(site), key)
    return KeyCheck(state=state, site=site, detail=detail)


def _asked(url: str, key: str) -> tuple[KeyState, str]:
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
        return KeyState.UNKNOWN, f"{url} answered with something else than Datadog's API does"
    if valid is not True:
        return KeyState.UNKNOWN, f"{url} did not say that the key is valid"
    return KeyState.VALID, "Datadog accepts it"
