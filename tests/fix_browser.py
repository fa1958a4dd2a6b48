"""A real browser: the machine's Chromium, else Debian's, unpacked beside the lab's other programs.

Playwright drives it; its own download of a browser is not used.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from lab.foundation.debian import fetch, machine_archives
from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing but the pages: what a browser else asks for at its start goes to the internet.
ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# How long a page or a click may take on a machine that does much else.
PATIENCE_MS = 120_000
# Kept for whoever wants to look; not part of the repository.
PICTURES = ROOT / ".lab" / "pictures"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><dir>/usr/share/fonts</dir><cachedir>{cache}</cachedir></fontconfig>
"""


@dataclass(frozen=True, kw_only=True)
class Chromium:
    """A browser's program, and the variables it needs."""

    path: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A tab of a reader with a screen and a taste; `complaints` is what went wrong in it."""

    page: Page
    base: str
    name: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Response:
        """Go to a path, and return the answer once the page has loaded."""
        response = self.page.goto(f"{self.base}{path}", wait_until="load")
        assert response
        return response

    def keep_picture(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}-{self.name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def is_wider_than_the_screen(self) -> bool:
        """Whether the page as a whole would have to be moved sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """Chromium; where there is none and none can be had, tests of pages say so, and in CI they fail."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return Chromium(path=Path(found), environment=dict(os.environ))
    try:
        root = _fetched()
    except LabError as error:
        complaint = f"no page was looked at, because there is no browser:\n{error}"
        if os.environ.get("CI"):
            pytest.fail(complaint)
        pytest.skip(complaint)
    directory = tmp_path_factory.mktemp("fonts")
    fonts = directory / "fonts.conf"
    fonts.write_text(FONTS.format(fonts=root / "usr/share/fonts", cache=directory))
    libraries = [path for path in (root / "usr/lib").glob("*-linux-gnu*") if path.is_dir()]
    libraries += [path / "pulseaudio" for path in libraries]
    own = {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "FONTCONFIG_FILE": str(fonts),
    }
    return Chromium(path=root / "usr/lib/chromium/chromium", environment={**os.environ, **own})


def _fetched() -> Path:
    """Unpack Chromium of this machine's own release: that of another would want another libc."""
    archives = list(machine_archives())
    release = archives[0].release if archives else "stable"
    return fetch(
        ("chromium", "chromium-common", "fonts-dejavu-core"),
        release=release,
        into=PACKAGES / f"chromium-{release}",
        libraries=True,
    )


# Of a module: while it lives, playwright's event loop runs in this thread, and tests have loops of their own.
@pytest.fixture(scope="module")
def launch(chromium: Chromium) -> Iterator[Callable[..., Browser]]:
    """Start a headless browser, with further arguments of its command line."""
    with sync_playwright() as playwright, ExitStack() as stack:

        def start(*arguments: str) -> Browser:
            running = playwright.chromium.launch(
                executable_path=chromium.path,
                env=dict(chromium.environment),
                args=[*ARGUMENTS, *arguments],
                chromium_sandbox=os.geteuid() != 0,
            )
            stack.callback(running.close)
            return running

        yield start


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    """The browser, headless."""
    return launch()


def visit(browser: Browser, base: str, *, width: int = 1440, dark: bool = False) -> Visit:
    """Open a tab in a context of its own; close it with `Visit.page.context.close()`."""
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        timezone_id="America/Sao_Paulo",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    seen = Visit(page=page, base=base, name=f"{'dark' if dark else 'light'}-{width}")
    page.on(
        "console", lambda said: seen.complaints.append(said.text) if said.type == "error" else None
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(f"dialog {dialog.message}"))
    return seen
