"""`python -m tests.mutation --seed N --sample 60`: changes the program at random, and counts who notices."""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from queue import SimpleQueue

from lab.terminal.interruption import interruptible
from tests.mutation import reach
from tests.mutation.choice import Choice
from tests.mutation.clone import cloned
from tests.mutation.prefork import Prefork
from tests.mutation.sample import drawn
from tests.mutation.trial import SLOWER, START_S, Outcome, Trial, run, tried

NOTICED = (Outcome.KILLED, Outcome.TIMEOUT)
UNCOUNTED = (Outcome.INVALID, Outcome.EQUIVALENT)


def main() -> None:
    """Record which tests run which line, or try a sample of mutants by it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--record", action="store_true", help="run the tests once, before anything else"
    )
    parser.add_argument("--seed", type=int, help="the same seed draws the same mutants")
    parser.add_argument("--sample", type=int, default=60, metavar="N", help="how many (60)")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="at the same time (1)"
    )
    parser.add_argument(
        "--limit", type=float, default=40.0, metavar="S", help="seconds of tests for a mutant (40)"
    )
    parser.add_argument("--only", default="", metavar="PATH", help="mutants of paths that begin so")
    parser.add_argument(
        "tests", nargs="*", help="with --record: these instead of all but acceptance"
    )
    arguments = parser.parse_args()
    with interruptible():
        if arguments.record:
            reach.record(arguments.tests, processes=arguments.processes)
        if arguments.seed is not None:
            sys.exit(_measure(arguments))


def _measure(arguments: argparse.Namespace) -> int:
    try:
        known = reach.recorded()
    except reach.NoRecordError as error:
        print(error.__doc__, file=sys.stderr)
        return 2
    choice = Choice(reach=known, limit_s=arguments.limit)
    mutants = drawn(arguments.seed, arguments.sample, only=arguments.only)
    with ExitStack() as stack:
        free: SimpleQueue[Prefork] = SimpleQueue()
        for _ in range(arguments.processes):
            free.put(stack.enter_context(Prefork(stack.enter_context(cloned()))))
        pool = ThreadPoolExecutor(arguments.processes)
        # After Ctrl-C the mutants that are under way are still tried.
        stack.callback(pool.shutdown, cancel_futures=True)

        def one(number: int) -> Trial:
            tests = choice.tests(mutants[number])
            prefork = free.get()
            try:
                seconds = sum(known.seconds[test] for test in tests)
                trial = tried(mutants[number], tests, seconds, prefork)
            finally:
                free.put(prefork)
            print(
                f"{time.strftime('%H:%M:%S')} {number + 1:3}/{len(mutants)} {trial.outcome:9}"
                f" {trial.tests:4} tests  {trial.mutant}\n    {trial.by}",
                flush=True,
            )
            return trial

        trials = list(pool.map(one, range(len(mutants))))
        trials = list(_confirmed(trials, known, free.get()))
    _report(trials, arguments.seed)
    return 0


def _confirmed(trials: Sequence[Trial], known: reach.Reach, prefork: Prefork) -> Iterator[Trial]:
    """Run what killed a mutant without the mutant: a test that fails then, too, proves nothing."""
    by = {trial.by for trial in trials if trial.by in known.seconds}
    wrong = set()
    for test in sorted(by):
        status, _ = run([test], prefork, within_s=START_S + SLOWER * known.seconds[test])
        if status != 0:
            wrong.add(test)
    for trial in trials:
        yield replace(trial, outcome=Outcome.INVALID) if trial.by in wrong else trial


def _report(trials: Sequence[Trial], seed: int) -> None:
    kinds: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
    for trial in trials:
        kinds[trial.mutant.kind][trial.outcome] += 1
        kinds["all"][trial.outcome] += 1
    print(f"\nseed {seed}, {len(trials)} mutants")
    print(f"{'':12}" + "".join(f"{outcome:>11}" for outcome in Outcome) + f"{'noticed':>11}")
    for kind, counts in sorted(kinds.items(), key=lambda item: (item[0] == "all", item[0])):
        valid = counts.total() - sum(counts[outcome] for outcome in UNCOUNTED)
        share = sum(counts[outcome] for outcome in NOTICED) / valid if valid else 0.0
        figures = "".join(f"{counts[outcome]:11}" for outcome in Outcome)
        print(f"{kind:12}{figures}{share:11.0%}")
    print("\nNobody noticed:")
    for trial in trials:
        if trial.outcome not in {*NOTICED, Outcome.EQUIVALENT}:
            print(f"{trial.mutant}\n    {trial.outcome}, {trial.tests} tests {trial.by}")
    reach.RECORDS.mkdir(parents=True, exist_ok=True)
    document = [
        {**asdict(replace(trial.mutant, text="")), "outcome": trial.outcome, "by": trial.by}
        for trial in trials
    ]
    (reach.RECORDS / f"seed-{seed}.json").write_text(
        json.dumps(document, indent=1), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
