"""Benchmarks: what the lab does beside a known tool, on one server and in one run."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "bench",
    "Measure the lab beside pgbench, on the server that runs.",
    LazyCommand(
        "seed",
        "lab.bench.seed:seed",
        "Load the seed and a pgbench database of as many rows, and compare.",
    ),
    LazyCommand(
        "load",
        "lab.bench.load.command:load",
        "Drive the database by our engine and by pgbench, with the same SQL, and compare.",
    ),
    LazyCommand(
        "overhead",
        "lab.bench.overhead.command:overhead",
        "Run the load with nobody, exporter, agent, tracing, auto_explain, all; tell what each costs it.",
    ),
    LazyCommand(
        "cost",
        "lab.bench.cost.command:cost",
        "Tell what an operation, a span and a series cost the running lab, in CPU time and bytes.",
    ),
    LazyCommand(
        "intake",
        "lab.bench.intake:intake",
        "Send spans and write log lines to a console of its own, as fast as it takes them.",
    ),
    LazyCommand(
        "console",
        "lab.bench.console:console",
        "Run the services with the console on, stopped, killed, frozen, and with a full disk.",
    ),
    LazyCommand(
        "memory",
        "lab.bench.memory:memory",
        "Watch the memory of the running lab's console and agent, and tell how fast it grows.",
    ),
    LazyCommand("pages", "lab.bench.pages:pages", "Time the console's pages on a large store."),
)
