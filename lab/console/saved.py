"""The forms of `/saved`: add and delete. The page is in lab/console/pages/saved.py."""

from starlette.routing import Route

from lab.console.answering import Access
from lab.console.forms import Fields, form
from lab.console.saved_links import SavedLinks


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
