"""Links to pages of the console that a person has saved with a name, in one file of the state directory.

The forms of `/saved` add and delete them. The page is in lab/console/pages/saved.py.
"""

import re
import secrets
from dataclasses import dataclass
from threading import Lock
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.routing import Route

from lab.console.access import Access
from lab.console.forms import Fields, form
from lab.foundation import clock, statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.statefile import DamagedError

MOST = 100
MOST_NAME = 80
MOST_PATH = 1_000
# A CPF, written with or without points, an e-mail address, a card or telephone number.
PERSONAL = re.compile(r"(?<![0-9])[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}(?![0-9])|@|[0-9]{13,}")
# The first part of the path of each page; a test compares them with the table of pages.
SECTIONS = frozenset({
    "", "alerts", "compare", "drills", "exam", "exercises", "map", "plans", "prometheus", "queries",
    "runbook", "sessions", "tour", "traces",
})  # fmt: skip
MOST_PARTS = 4
# Parameters with times and ids, whose digits are no person's.
IDS = frozenset({"from", "to", "a", "b"})


class SavedLinkError(LabError):
    """A link cannot be saved; the message names the value and what is expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedLink:
    """One link; `path` is a path of the console with its query, `at_ns` the time when it was saved."""

    key: str
    name: Annotated[str, msgspec.Meta(max_length=MOST_NAME)]
    path: Annotated[str, msgspec.Meta(max_length=MOST_PATH)]
    at_ns: int


class SavedLinks:
    """The file; the console is its only writer. At most a hundred links."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.saved
        self._lock = Lock()

    def all(self) -> tuple[SavedLink, ...]:
        """Return the links, the newest first; a damaged file is set aside."""
        try:
            found = statefile.read(self._file, list[SavedLink]) or []
        except DamagedError as error:
            statefile.set_aside(error.path, error.why, lost="The saved links are lost.")
            found = []
        # The file may have been edited: a path that is no page of the console is not shown.
        return tuple(link for link in found if is_page(link.path))[:MOST]

    def add(self, name: str, path: str) -> None:
        """Save a link; one with the same name is replaced.

        Raises:
            SavedLinkError: when the name or the path cannot be saved, or there are too many.
        """
        name, path = " ".join(name.split()), path.strip()
        _require_name(name)
        if not is_page(path):
            raise SavedLinkError(
                f'"{path[:MOST_NAME]}" is no page of the console, such as /queries?window=1h.'
            )
        if _is_personal(path):
            raise SavedLinkError(
                "The address contains a CPF, a long number or an e-mail address: not stored."
            )
        with self._lock:
            others = [link for link in self.all() if link.name != name]
            if len(others) >= MOST:
                raise SavedLinkError(f"{MOST} links are saved: delete one first.")
            link = SavedLink(key=secrets.token_hex(8), name=name, path=path, at_ns=clock.now_ns())
            statefile.write_json(self._file, [link, *others])

    def delete(self, key: str) -> None:
        """Delete a link; an unknown key is no error."""
        with self._lock:
            kept = [link for link in self.all() if link.key != key]
            statefile.write_json(self._file, kept)


def routes(links: SavedLinks, access: Access) -> list[Route]:
    """Return the routes of the forms."""

    def add(fields: Fields) -> None:
        links.add(fields.get("name", ""), fields.get("page", ""))

    def delete(fields: Fields) -> None:
        links.delete(fields.get("key", ""))

    return [
        form("/saved", "/saved/add", add, access),
        form("/saved", "/saved/delete", delete, access),
    ]


def is_page(path: str) -> bool:
    r"""Whether a path leads to a page of this console, and nowhere else.

    >>> is_page("/queries?window=1h"), is_page("//evil.example/"), is_page("/\\evil"), is_page("/static/x")
    (True, False, False, False)
    """
    if not path.startswith("/") or path[1:2] in ("/", "\\") or len(path) > MOST_PATH:
        return False
    if not path.isprintable():
        return False
    parts = urlsplit(path)
    words = parts.path.split("/")
    return not parts.netloc and len(words) <= MOST_PARTS and words[1] in SECTIONS


def _require_name(name: str) -> None:
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise SavedLinkError(
            f'"{name[:MOST_NAME]}" is no name: 1 to {MOST_NAME} characters are expected.'
        )
    if PERSONAL.search(name):
        raise SavedLinkError(
            "The name contains a CPF, a long number or an e-mail address: not stored."
        )


def _is_personal(path: str) -> bool:
    """Whether a parameter is one; paths and ids contain long numbers of traces and statements."""
    parameters = parse_qsl(urlsplit(path).query)
    return any(PERSONAL.search(value) for name, value in parameters if name not in IDS)
