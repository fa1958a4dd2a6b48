"""The files of acceptance tests that share one native lab, in this order: an `up` costs processor time."""

# A drill of the tour leaves a trace of its own service; the last file takes the lab down.
SHARING: tuple[str, ...] = (
    "test_console.py",
    "test_drilldown.py",
    "test_first_minutes.py",
    "test_drills.py",
    "test_commands.py",
)
