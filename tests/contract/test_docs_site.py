"""The documentation site builds strictly, its links resolve, and no page loads anything from another host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.hooks.repository_files import PAGES
from lab.foundation.settings import ROOT

# What a browser fetches by itself, by element and attribute.
LOADED = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("img", "srcset"), ("iframe", "src"),
    ("source", "src"), ("source", "srcset"), ("video", "src"), ("audio", "src"),
    ("object", "data"), ("embed", "src"),
    ("form", "action"), ("image", "href"), ("use", "href"),
}  # fmt: skip
# Links of a page that describe it and that no browser fetches.
NOT_FETCHED = {"canonical", "prev", "next", "alternate"}
CSS_URL = re.compile(r"(?:url\(|@import\s+)\s*['\"]?([^'\")\s]+)")


class _Html(HTMLParser):
    """Elements of a page: ids, links that a reader follows, addresses that a browser fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if not NOT_FETCHED & set(values.get("rel", "").split()):
            self.loaded += [value for name, value in values.items() if (tag, name) in LOADED]


def read(page: Path) -> _Html:
    """Return the elements of one page."""
    html = _Html()
    html.feed(page.read_text(encoding="utf-8"))
    return html


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; warnings are errors (`mkdocs build --strict`)."""
    folder = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Html]:
    """Every page of the site by its path."""
    return {page: read(page) for page in sorted(site.rglob("*.html"))}


def test_every_document_is_a_page(site: Path) -> None:
    documents = {file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*.md")}
    expected = {
        document.with_name(
            "index.html" if document.name == "README.md" else f"{document.stem}.html"
        )
        for document in documents | {Path(page) for page in PAGES}
    }
    built = {page.relative_to(site) for page in site.rglob("*.html")}
    assert built == expected | {Path("404.html")}


def unresolved(page: Path, html: _Html, pages: dict[Path, _Html]) -> Iterator[str]:
    """Yield the links of a page to a file or an anchor that does not exist in the site."""
    for link in html.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        # A path from the root of the host: the 404 page only, which has no place of its own.
        path = page.parent / unquote(parts.path) if parts.path else page
        path = path.resolve()
        if path.is_dir():
            path /= "index.html"
        known = pages[path].ids | {""} if path in pages else {parts.fragment}
        if not path.exists() or unquote(parts.fragment) not in known:
            yield link


def test_every_link_inside_the_site_resolves(pages: dict[Path, _Html]) -> None:
    broken = {
        page.name: links
        for page, html in pages.items()
        if page.name != "404.html" and (links := list(unresolved(page, html, pages)))
    }
    assert not broken


def test_no_page_loads_anything_from_another_host(site: Path, pages: dict[Path, _Html]) -> None:
    assert all(html.loaded for html in pages.values())
    loaded = {address for html in pages.values() for address in html.loaded}
    for sheet in site.rglob("*.css"):
        loaded |= set(CSS_URL.findall(sheet.read_text(encoding="utf-8")))
    elsewhere = {a for a in loaded if urlsplit(a).netloc or urlsplit(a).scheme not in ("", "data")}
    assert not elsewhere


@pytest.mark.parametrize(
    ("html", "loaded"),
    [
        ('<script src="https://example.com/a.js">', ["https://example.com/a.js"]),
        ('<link rel="stylesheet" href="//example.com/a.css">', ["//example.com/a.css"]),
        ('<link rel="canonical" href="https://example.com/">', []),
        ('<a href="https://example.com/">', []),
    ],
)
def test_what_a_browser_fetches_is_recognized(tmp_path: Path, html: str, loaded: list[str]) -> None:
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    assert read(page).loaded == loaded


@pytest.mark.parametrize("link", ["missing.html", "#missing", "other.html#missing"])
def test_a_broken_link_is_recognized(tmp_path: Path, link: str) -> None:
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    page.write_text(f'<a href="{link}"></a><a href="other.html#here"></a>', encoding="utf-8")
    other.write_text('<p id="here">', encoding="utf-8")
    files = {page: read(page), other: read(other)}
    assert list(unresolved(page, files[page], files)) == [link]
