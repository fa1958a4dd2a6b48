"""`drill`: break the lab on purpose, prove it, heal it, and see who noticed."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "drill",
    "Make a fault on purpose, prove it in PostgreSQL, heal it, and see who noticed.",
    LazyCommand("list", "lab.cli.drill.catalogue:list_all", "Show every drill."),
    LazyCommand(
        "show",
        "lab.cli.drill.catalogue:show",
        "Show what a drill does, as whom, and what should be seen.",
    ),
    LazyCommand("run", "lab.cli.drill.run:run_one", "Run a drill to its verdicts."),
    LazyCommand(
        "all",
        "lab.cli.drill.run:run_all",
        "Run every drill, with a quiet minute between two, then verify: the blind-spot matrix."
        " About an hour.",
    ),
    LazyCommand(
        "report",
        "lab.cli.drill.report:report",
        "Show the blind-spot matrix of the latest run of each drill.",
    ),
    LazyCommand(
        "quiet",
        "lab.cli.drill.report:quiet",
        "Watch a lab in which nothing is broken: whatever fires is a false alarm.",
    ),
    LazyCommand(
        "random",
        "lab.cli.drill.run:run_random",
        "Run drills that are drawn at random, until Ctrl-C: for people who train.",
    ),
    LazyCommand(
        "stop",
        "lab.cli.drill.run:stop",
        "End the drill that runs, or heal what a killed one has left.",
    ),
)
