"""Shifts the wall clock of a process and its children by whole days, for tests, with Debian's datefudge.

datefudge shifts the time of day of programs that use the C library, and nothing else: waits, deadlines
and the monotonic clock stay. libfaketime shifts those as well, and with its release for Debian 12
Python's `time.sleep` fails with EINVAL. Go programs use the kernel directly and are not shifted.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.foundation import clock
from lab.foundation.debian import fetch
from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES

LIBRARY = "datefudge.so"
DAY_S = 86_400
# Longer than the start of a process on a busy machine.
TOLERANCE_S = 600


@contextmanager
def environment(days: int, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Yield the environment variables under which a command runs so many days ahead.

    Raises:
        LabError: when datefudge cannot be fetched, or does not shift a program on this machine.
    """
    package = fetch(("datefudge",), release="bookworm", into=PACKAGES / "datefudge", say=say)
    found = next(package.glob(f"usr/lib/*/datefudge/{LIBRARY}"))
    with TemporaryDirectory(prefix="creditlab-") as directory:
        # LD_PRELOAD cannot express a path with a space, and servers of another user read the file as well.
        os.chmod(directory, 0o755)  # noqa: PTH101, S103
        library = shutil.copy(found, Path(directory) / LIBRARY)
        variables = {"LD_PRELOAD": str(library), "DATEFUDGE": str(-days * DAY_S)}
        _require_shift({**os.environ, **variables}, days)
        yield variables


def _require_shift(environment: dict[str, str], days: int) -> None:
    ask = [sys.executable, "-c", "import time; print(time.time())"]
    done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True)
    ahead_s = float(done.stdout) - clock.now_s()
    if abs(ahead_s - days * DAY_S) > TOLERANCE_S:
        raise LabError(
            f"{LIBRARY} of Debian was loaded, and a program's clock is {ahead_s:.0f} s ahead instead of"
            f" {days * DAY_S} s.\n{done.stderr.strip()}"
        )
