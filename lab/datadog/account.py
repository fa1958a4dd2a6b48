"""A Datadog account: two keys and a site, validated here, because the API answers 403 without a reason."""

import re
from dataclasses import dataclass, field
from typing import Self

from lab.foundation.errors import LabError
from lab.foundation.settings import DatadogSettings
from lab.foundation.suggestions import unknown

SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)
API_KEY = re.compile(r"[0-9a-f]{32}")
# Older keys have forty hexadecimal digits, newer ones a prefix and letters.
APP_KEY = re.compile(r"[0-9A-Za-z_]{40}")


def web_url(site: str) -> str:
    """Return a site's web URL: `app.` precedes sites of two labels only.

    >>> web_url("datadoghq.eu"), web_url("us5.datadoghq.com")
    ('https://app.datadoghq.eu', 'https://us5.datadoghq.com')
    """
    return f"https://{'app.' if site.count('.') == 1 else ''}{site}"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account at its site. The keys are not in its representation."""

    api_key: str = field(repr=False)
    app_key: str = field(repr=False)
    site: str

    @classmethod
    def of(cls, settings: DatadogSettings) -> Self:
        """Return the account of the settings.

        Raises:
            LabError: when a key is missing or malformed, or the site does not exist.
        """
        api_key = settings.dd_api_key.get_secret_value() if settings.dd_api_key else ""
        app_key = settings.dd_app_key.get_secret_value() if settings.dd_app_key else ""
        missing = [
            n for n, key in {"DD_API_KEY": api_key, "DD_APP_KEY": app_key}.items() if not key
        ]
        if missing:
            raise LabError(
                f"Datadog's API needs both keys; not set: {', '.join(missing)}.\n"
                "Create the keys in Datadog under Organization Settings > API Keys and > Application"
                " Keys, and put them into .env."
            )
        if not API_KEY.fullmatch(api_key):
            hint = (
                "; DD_API_KEY and DD_APP_KEY may be swapped" if APP_KEY.fullmatch(api_key) else ""
            )
            raise LabError(
                f"DD_API_KEY is not an API key: it has {len(api_key)} characters, and a key is 32 of"
                f" 0-9 and a-f{hint}.\nCopy it again from Organization Settings > API Keys into .env."
            )
        if not APP_KEY.fullmatch(app_key):
            raise LabError(
                f"DD_APP_KEY is not an application key: it has {len(app_key)} characters, and a key is 40"
                " letters, digits and underscores.\n"
                "Copy it again from Organization Settings > Application Keys into .env."
            )
        if settings.dd_site not in SITES:
            message = unknown("site", settings.dd_site, SITES)
            raise LabError(f"{message}\nDD_SITE is the bare site, without https:// and app.")
        return cls(api_key=api_key, app_key=app_key, site=settings.dd_site)

    @property
    def api_url(self) -> str:
        """URL of the site's API."""
        return f"https://api.{self.site}"

    @property
    def web_url(self) -> str:
        """URL of the site's web interface."""
        return web_url(self.site)

    def hide(self, text: str) -> str:
        """Return text with the keys replaced by ***."""
        return text.replace(self.api_key, "***").replace(self.app_key, "***")
