"""Benchmarks: what the lab does beside a known tool, on one server and in one run."""

from lab.terminal.commands import Commands, Later

group = Commands(
    "bench",
    "Measure the lab and compare it with pgbench, on the running server.",
    Later(
        "seed",
        "lab.bench.seed:seed",
        "Load the seed and a pgbench database of as many rows, and compare.",
    ),
    Later(
        "load",
        "lab.bench.load.command:load",
        "Drive the database by our engine and by pgbench, with the same SQL, and compare.",
    ),
    Later(
        "overhead",
        "lab.bench.overhead.command:overhead",
        "Run the load with nobody, exporter, agent, tracing, auto_explain, all; tell what each costs it.",
    ),
    Later(
        "cost",
        "lab.bench.cost.command:cost",
        "Tell what an operation, a span and a series cost the running lab, in CPU time and bytes.",
    ),
    Later(
        "intake",
        "lab.bench.intake:intake",
        "Send spans and write log lines to a console of its own, as fast as it takes them.",
    ),
    Later(
        "console",
        "lab.bench.console:console",
        "Run the services with the console on, stopped, killed, frozen, and with a full disk.",
    ),
    Later(
        "memory",
        "lab.bench.memory:memory",
        "Watch the memory of the running lab's console and agent, and tell how fast it grows.",
    ),
    Later("pages", "lab.bench.pages:pages", "Time the console's pages on a large store."),
)
