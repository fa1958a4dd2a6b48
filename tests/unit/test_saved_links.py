"""Saved links: only pages of this console, bounded, no personal data, safe with a damaged file."""

from pathlib import Path

import pytest

from lab.console.pages import PAGES
from lab.console.saved_links import MOST, SECTIONS, SavedLinkError, SavedLinks, is_page
from lab.foundation.paths import Paths


@pytest.fixture
def links(tmp_path: Path) -> SavedLinks:
    """No link yet."""
    return SavedLinks(Paths(state=tmp_path))


def test_the_sections_are_those_of_the_pages() -> None:
    assert {path.split("/")[1] for path in PAGES} - {"go", "saved"} == SECTIONS


def test_a_link_is_kept_with_its_query_until_it_is_deleted(
    links: SavedLinks, tmp_path: Path
) -> None:
    """Another process reads the same; the same name replaces the link."""
    links.add("  lock   waits ", "/queries?window=1h")
    links.add("lock waits", "/?from=1795905326&to=1795905383")
    links.add("trace", "/traces/6b0b56d1000000004d8e688d28553fb2/9ca7710b977152a2")
    again = SavedLinks(Paths(state=tmp_path)).all()
    assert [(link.name, link.path) for link in again] == [
        ("trace", "/traces/6b0b56d1000000004d8e688d28553fb2/9ca7710b977152a2"),
        ("lock waits", "/?from=1795905326&to=1795905383"),
    ]
    links.delete(again[0].key)
    links.delete("unknown")
    assert [link.name for link in links.all()] == ["lock waits"]


@pytest.mark.parametrize(
    "path",
    ["", "queries", "//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)",
     "/static/console.js", "/saved/delete", "/exam\nx", "/queries/a/b/c", "/queries?q=" + "x" * 1_000],
)  # fmt: skip
def test_what_is_no_page_of_the_console_is_refused(links: SavedLinks, path: str) -> None:
    assert not is_page(path)
    with pytest.raises(SavedLinkError, match="is no page of the console"):
        links.add("x", path)
    assert links.all() == ()


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused(links: SavedLinks, name: str) -> None:
    with pytest.raises(SavedLinkError, match="is no name"):
        links.add(name, "/")


@pytest.mark.parametrize(
    "text", ["123.456.789-09", "12345678909", "ana@example.com", "4111111111111111"]
)
def test_a_persons_data_are_not_stored(links: SavedLinks, text: str) -> None:
    """In the name, and in a parameter of the address; ids of traces and statements are none."""
    with pytest.raises(SavedLinkError, match="not stored"):
        links.add(f"customer {text}", "/")
    with pytest.raises(SavedLinkError, match="not stored"):
        links.add("customer", f"/queries?q={text}")
    links.add("plan", "/plans?a=6b0b56d1000000004d8e688d28553fb2/9ca7710b977152a2&b=1")
    links.add("statement", "/queries/-7253495119043547658")


def test_there_are_at_most_a_hundred(links: SavedLinks) -> None:
    for number in range(MOST):
        links.add(f"link {number}", "/")
    with pytest.raises(SavedLinkError, match="delete one first"):
        links.add("one more", "/")
    links.add("link 7", "/drills")
    assert len(links.all()) == MOST


@pytest.mark.parametrize("content", ["{", "[]]", '[{"key": 1}]', "null"])
def test_a_damaged_file_is_set_aside(links: SavedLinks, tmp_path: Path, content: str) -> None:
    (tmp_path / "saved.json").write_text(content)
    assert links.all() == ()
    links.add("x", "/")
    assert [link.name for link in links.all()] == ["x"]


def test_an_edited_file_cannot_lead_elsewhere(links: SavedLinks, tmp_path: Path) -> None:
    (tmp_path / "saved.json").write_text(
        '[{"key": "a", "name": "n", "path": "https://evil.example/", "at_ns": 1}]'
    )
    assert links.all() == ()
