"""`drill`: injects a fault, proves it, heals it, and shows which observers detected it."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "drill",
    "Inject a fault, prove it in PostgreSQL, heal it, and show which observers detected it.",
    LazyCommand("list", "lab.cli.drill.catalogue:list_all", "Show every drill."),
    LazyCommand(
        "show",
        "lab.cli.drill.catalogue:show",
        "Show what a drill does, its roles, and the expected signals.",
    ),
    LazyCommand(
        "exercise",
        "lab.cli.drill.exercise:exercise",
        "Show a drill as a lesson: symptom, where to look, hints one by one, the answer on request.",
    ),
    LazyCommand(
        "booklet",
        "lab.cli.drill.exercise:booklet",
        "Write all exercises as an HTML page to print for a class: answers at the end.",
    ),
    LazyCommand("run", "lab.cli.drill.run:run_one", "Run a drill to its verdicts."),
    LazyCommand(
        "all",
        "lab.cli.drill.run:run_all",
        "Run every drill, with a minute between two, then verify: the blind-spot matrix."
        " About an hour.",
    ),
    LazyCommand(
        "report",
        "lab.cli.drill.report:report",
        "Show the blind-spot matrix of the latest run of each drill.",
    ),
    LazyCommand(
        "judge",
        "lab.cli.drill.judge:judge",
        "Judge a recording of an Agent's data again.",
    ),
    LazyCommand(
        "quiet",
        "lab.cli.drill.quiet:quiet",
        "Watch a lab without a fault: every detection is a false positive.",
    ),
    LazyCommand(
        "tune",
        "lab.cli.drill.tune:tune",
        "Set thresholds on one half of recorded minutes, and test them on the other.",
    ),
    LazyCommand(
        "random",
        "lab.cli.drill.run:run_random",
        "Run drills in random order, until Ctrl-C, for training.",
    ),
    LazyCommand(
        "stop",
        "lab.cli.drill.run:stop",
        "End the running drill, or heal what a killed one has left.",
    ),
)
