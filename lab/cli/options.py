"""Options that several commands have, worded once."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
