"""The native stack: the lab's processes on this machine, without Docker."""
