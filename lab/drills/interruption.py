"""Ctrl-C, SIGTERM and SIGHUP during a drill: the first one ends the drill; none interrupts the heal."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def at_most_once() -> Iterator[Callable[[], None]]:
    """Raise KeyboardInterrupt at the first signal of a `with` block; yield a function that defers signals.

    After a call of the yielded function, a signal raises KeyboardInterrupt at the end of the block. So a
    `finally` whose `try` calls it last runs completely, at whatever line a signal arrives.
    """
    raises, waiting = True, False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal raises, waiting
        if not raises:
            waiting = True
            return
        raises = False
        raise KeyboardInterrupt

    def hold_back() -> None:
        nonlocal raises
        raises = False

    known = {number: signal.getsignal(number) for number in SIGNALS}
    before = {n: handler for n, handler in known.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield hold_back
    finally:
        hold_back()
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        raise KeyboardInterrupt
