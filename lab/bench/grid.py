"""A table of figures: a column of names, and columns of right-justified figures."""

from rich.table import Table

# A title is not wrapped below the width of a standard terminal.
TITLE_WIDTH = 80


def grid(title: str, *headings: str, names: str = "", caption: str | None = None) -> Table:
    """Return the table without rows; `names` is the heading of the first column."""
    table = Table(
        title=title, title_justify="left", min_width=min(len(title), TITLE_WIDTH),
        caption=caption, caption_justify="left",
    )  # fmt: skip
    table.add_column(names)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
