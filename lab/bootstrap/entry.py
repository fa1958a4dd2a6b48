"""Entry point of `./creditlab`: creates `.venv` when needed, then execs the lab in it.

Standard library only. When the environment is complete, a call compares one stamp and execs.
lab/bootstrap/installation.py creates the environment; it is imported only then.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from lab.bootstrap.environment import Environment
from lab.foundation.errors import LabError


def main(root: str, arguments: list[str]) -> NoReturn:
    """Run the lab's command line with these arguments, in an environment that matches the locks."""
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
        sys.stderr.write("\ncreditlab: interrupted; the next call continues.\n")
        sys.exit(130)
    python = str(environment.python)
    # -P: do not import a directory named lab of the caller's working directory.
    os.execv(python, [python, "-P", "-m", "lab", *arguments])  # noqa: S606
