"""`python -m tests.fuzz [COUNT] [SEED]`: the long run.

With atheris installed (it is no dependency), `python -m tests.fuzz atheris DIRECTORY [libFuzzer options]`
lets the coverage of the code choose the inputs, from the same corpus and with the same target.
"""

import importlib
import sys
import time
from collections import Counter
from typing import Any

from tests.fuzz.mutate import CORPUS, corpus, inputs
from tests.fuzz.target import TARGETS, one

COUNT = 1_000_000


def mutations(count: int, seed: int) -> None:
    """Run mutated inputs and print what became of them; a finding ends the run with its traceback."""
    started, seen = time.monotonic(), Counter[tuple[int, bool]]()
    for data in inputs(corpus(), count, seed=seed):
        try:
            taken = one(data)
        except BaseException:
            print(f"FOUND {data!r}", file=sys.stderr)
            raise
        seen[data[0] % len(TARGETS) if data else 0, taken] += 1
    for (target, taken), number in sorted(seen.items()):
        print(f"target {target:2} {'taken' if taken else 'refused':8} {number:9}")
    print(f"{count} inputs, seed {seed}, {time.monotonic() - started:.0f} s, no finding")


def guided(arguments: list[str]) -> None:
    """Hand over to libFuzzer; what it finds worth keeping goes to the first directory of the arguments."""
    atheris: Any = importlib.import_module("atheris")

    def quietly(data: bytes) -> None:
        one(data)

    atheris.instrument_all()
    atheris.Setup(["fuzz", *arguments, str(CORPUS)], quietly)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["atheris"]:
        guided(sys.argv[2:])
    else:
        numbers = [int(argument) for argument in sys.argv[1:]]
        mutations(*(numbers + [COUNT, 1][len(numbers) :]))
