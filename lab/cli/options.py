"""Options that several commands have, worded once."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]

Docker = Annotated[bool, typer.Option("--docker", help="The lab in containers.")]
Native = Annotated[
    bool, typer.Option("--native", help="The lab on this machine, without containers.")
]
