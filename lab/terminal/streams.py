"""The standard streams of the command line, whatever encoding the terminal or the caller has set."""

import sys
from io import TextIOWrapper


def tolerate_any_encoding() -> None:
    """Write `?` for what a stream's encoding lacks, such as the marks of `status` in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
