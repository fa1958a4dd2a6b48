"""`python -m tests.fuzz [COUNT] [SEED]`: the long run."""

import sys
import time
from collections import Counter

from tests.fuzz.mutate import corpus, inputs
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


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    mutations(*(numbers + [COUNT, 1][len(numbers) :]))
