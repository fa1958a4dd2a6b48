"""Hands over to `.venv`: what `./creditlab` does before the lab runs.

Standard library only, and quick: a call that finds the environment complete compares one stamp and
execs. Making the environment is lab/bootstrap/installation.py's work, imported only then.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from lab.bootstrap.environment import Environment
from lab.foundation.errors import LabError


def main(root: str, arguments: list[str]) -> NoReturn:
    """Run the lab's command line with these arguments, in an environment that fits the locks."""
    environment = Environment(Path(root))
    lock = "dev" if arguments[:1] == ["test"] else "lab"
    try:
        if not environment.holds(lock):
            from lab.bootstrap.installation import prepare  # noqa: PLC0415

            prepare(environment, lock)
    except (LabError, OSError) as error:
        sys.stderr.write(f"creditlab: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\ncreditlab: interrupted; the next call goes on from here.\n")
        sys.exit(130)
    python = str(environment.python)
    # -P: a directory named lab where the caller happens to stand is not the lab.
    os.execv(python, [python, "-P", "-m", "lab", *arguments])  # noqa: S606
