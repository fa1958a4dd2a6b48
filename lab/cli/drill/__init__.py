"""`drill`: injects a fault, proves it, heals it, and shows which observers detected it."""

from lab.terminal.commands import Commands, Later

group = Commands(
    "drill",
    "Inject a fault, prove it in PostgreSQL, heal it, and show which observers detected it.",
    Later("list", "lab.cli.drill.catalogue:list_all", "Show every drill."),
    Later(
        "show",
        "lab.cli.drill.catalogue:show",
        "Show what a drill does, its roles, and the expected signals.",
    ),
    Later("run", "lab.cli.drill.run:run_one", "Run a drill to its verdicts."),
    Later(
        "all",
        "lab.cli.drill.run:run_all",
        "Run every drill, with a minute between two, then verify: the blind-spot matrix."
        " About an hour.",
    ),
    Later(
        "report",
        "lab.cli.drill.report:report",
        "Show the blind-spot matrix of the latest run of each drill.",
    ),
    Later(
        "quiet",
        "lab.cli.drill.report:quiet",
        "Watch a lab without a fault: every detection is a false positive.",
    ),
    Later(
        "random",
        "lab.cli.drill.run:run_random",
        "Run drills in random order, until Ctrl-C, for training.",
    ),
    Later(
        "stop",
        "lab.cli.drill.run:stop",
        "End the running drill, or heal what a killed one has left.",
    ),
)
