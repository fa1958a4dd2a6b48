"""The native backend: the lab's processes on this machine, under supervisord, without Docker."""
