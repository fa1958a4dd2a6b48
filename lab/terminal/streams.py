"""Encoding of the standard streams of the command line."""

import sys
from io import TextIOWrapper


def tolerate_any_encoding() -> None:
    """Write `?` for characters that a stream's encoding lacks, such as the marks of `status` in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
