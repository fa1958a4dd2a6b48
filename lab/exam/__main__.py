"""`python -m lab.exam`: the guardian of one exam, and in a child process the exam itself.

The order comes through standard input. The guardian passes signals on to the exam process; when that dies
without a result, it heals, and the exam is void.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

import msgspec

from lab.exam import abandoned
from lab.exam.conducting import conduct
from lab.exam.order import Order
from lab.exam.place import Place
from lab.exam.secrecy import be_unreadable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED = 70  # EX_SOFTWARE


def main() -> None:
    """Fork: the child conducts, the parent waits and recovers."""
    be_unreadable()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    # Locks name the command of their holder.
    sys.argv = ["creditlab", "exam", "start"]
    settings = running_settings(LabSettings.load())
    child = os.fork()
    if child == 0:
        os._exit(_conducted(order, settings))
    _attend(child)
    with suppress(LabError):
        abandoned.recover(settings, Place(settings))


def _conducted(order: Order, settings: LabSettings) -> int:
    # The parent's descriptors of the pipe are not needed, and prctl is inherited.
    try:
        conduct(order, settings)
    except BaseException:  # noqa: BLE001 - the process ends here; the guardian heals
        return FAILED
    return 0


def _attend(child: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in SIGNALS:
        signal.signal(number, forward)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
