"""MkDocs hook: documents outside docs/ become pages, and links to other repository files become plain text.

README.md is the home page. The hook runs at each `mkdocs build` and changes no file.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Documents outside docs/, by the page that each becomes.
PAGES = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "grafana.md": "grafana/README.md",
}
PAGE_OF = {source: page for page, source in PAGES.items()}
LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]*`")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the documents that are outside docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Point links at pages; a link to a file that is not a page keeps its text only."""
    here = page.file.src_uri
    folder = posixpath.dirname(PAGES.get(here, f"docs/{here}"))

    def link(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target:
            return found[0]
        source = posixpath.normpath(posixpath.join(folder, path))
        name = PAGE_OF.get(source, source.removeprefix("docs/"))
        if source not in PAGE_OF and not source.startswith("docs/"):
            if not (ROOT / source).exists():
                return found[0]  # strict mode reports it
            return text
        relative = posixpath.relpath(name, posixpath.dirname(here) or ".")
        return f"{mark}[{text}]({relative}{'#' if anchor else ''}{anchor})"

    # GitHub needs an escaped | in a table's code; Python-Markdown would show the backslash.
    markdown = CODE.sub(lambda code: code[0].replace(r"\|", "|"), markdown)
    return LINK.sub(link, markdown)
