"""Keeps other processes of the same user from reading the memory of the exam's processes."""

import ctypes
import sys

PR_SET_DUMPABLE = 4


def be_unreadable() -> None:
    """Forbid ptrace, core files and reads of /proc/PID/mem and environ; only root can still do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
