"""`drill`: break the lab on purpose, prove it, heal it, and see who noticed."""

from lab.terminal.commands import Commands, Later

group = Commands(
    "drill",
    "Make a fault on purpose, prove it in PostgreSQL, heal it, and see who noticed.",
    Later("list", "lab.cli.drill.catalogue:list_all", "Show every drill."),
    Later(
        "show",
        "lab.cli.drill.catalogue:show",
        "Show what a drill does, as whom, and what should be seen.",
    ),
    Later("run", "lab.cli.drill.run:run_one", "Run a drill to its verdicts."),
    Later(
        "all",
        "lab.cli.drill.run:run_all",
        "Run every drill, with a quiet minute between two, then verify: the blind-spot matrix."
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
        "Watch a lab in which nothing is broken: whatever fires is a false alarm.",
    ),
    Later(
        "random",
        "lab.cli.drill.run:run_random",
        "Run drills that are drawn at random, until Ctrl-C: for people who train.",
    ),
    Later(
        "stop",
        "lab.cli.drill.run:stop",
        "End the drill that runs, or heal what a killed one has left.",
    ),
)
