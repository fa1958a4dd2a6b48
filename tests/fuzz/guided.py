"""`python -m tests.fuzz.guided DIRECTORY [libFuzzer options]`: inputs chosen by the coverage of the code.

Needs atheris, which is no dependency of the lab. Starts from the same corpus with the same target; what is
worth keeping goes to DIRECTORY.
"""

import importlib
import sys
from typing import Any

from tests.fuzz.mutate import CORPUS

if __name__ == "__main__":
    atheris: Any = importlib.import_module("atheris")
    # Only what is imported in here is instrumented: the lab, not its libraries.
    with atheris.instrument_imports(include=["lab", "tests.fuzz"]):
        target = importlib.import_module("tests.fuzz.target")

    def quietly(data: bytes) -> None:
        """Run one input; libFuzzer wants no verdict."""
        target.one(data)

    atheris.Setup([*sys.argv, str(CORPUS)], quietly)
    atheris.Fuzz()
