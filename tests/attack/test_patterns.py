"""Regular expressions are linear: each of them takes seconds for a megabyte of pathological text."""

import subprocess
import sys
import threading
from dataclasses import dataclass, field

import psutil

from lab.foundation.settings import ROOT

# Of processor time, for all texts of one expression: linear ones take a second, quadratic ones a minute.
WITHIN_CPU_S = 20


@dataclass
class Attempt:
    """One run of the child, which prints what it is about to try."""

    lines: list[str] = field(default_factory=list)
    is_done: bool = False


def attempt(first: int) -> Attempt:
    """Run until the end, or until one expression has taken too long."""
    made, news = Attempt(), threading.Condition()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.attack.patterns", str(first)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def follow() -> None:
        assert child.stdout
        for line in child.stdout:
            with news:
                made.lines.append(line.strip())
                news.notify()
        with news:
            made.is_done = True
            news.notify()

    thread = threading.Thread(target=follow)
    thread.start()
    process = psutil.Process(child.pid)
    with news:
        seen, before = -1, 0.0
        while not made.is_done and (spent := sum(process.cpu_times()[:2])) < before + WITHIN_CPU_S:
            if seen != len(made.lines):
                seen, before = len(made.lines), spent
            news.wait(1.0)
    child.kill()
    thread.join()
    child.wait()
    assert child.stdout
    child.stdout.close()
    return made


def test_no_expression_goes_back_over_its_text() -> None:
    """Every expression of lab/ and workload/, by the methods that use it, and the functions around them."""
    slow: list[str] = []
    tried: set[str] = set()
    number = 0
    while True:
        made = attempt(number)
        assert made.lines, "the child printed nothing"
        tried |= {line.split(" ")[1] for line in made.lines if " " in line}
        if made.lines[-1] == "done":
            break
        slow.append(made.lines[-1])
        number = int(made.lines[-1].partition(" ")[0]) + 1
    assert slow == []
    assert {"lab.console.jaeger.DURATION", "lab.telemetry.redact.sqlcommenter.PAIR"} <= tried
    assert len(tried) > 50
