"""Benchmarks of the lab, compared with pgbench on one server in one run."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "bench",
    "Measure the lab and compare it with pgbench, on the running server.",
    LazyCommand(
        "seed",
        "lab.bench.seed:seed",
        "Load the seed and a pgbench database of as many rows, and compare.",
    ),
    LazyCommand(
        "load",
        "lab.bench.load.command:load",
        "Compare the load engine with pgbench, with the same SQL and number of connections.",
    ),
    LazyCommand(
        "overhead",
        "lab.bench.overhead.command:overhead",
        "Measure the cost of exporter, agent, tracing, auto_explain and all of them for the load.",
    ),
    LazyCommand(
        "propagation",
        "lab.bench.propagation.command:propagation",
        "Compare DBM propagation by driver and route: linked executions, plans, statements, p99, CPU.",
    ),
    LazyCommand(
        "tracing",
        "lab.bench.tracing.command:tracing",
        "Measure spans, comment injection and sampling, for the driver as the services use it.",
    ),
    LazyCommand(
        "cost",
        "lab.bench.cost.command:cost",
        "Measure the unit costs of an operation, a span and a series, in CPU time and bytes.",
    ),
    LazyCommand(
        "intake",
        "lab.bench.intake:intake",
        "Measure the intake throughput of a separate console, in spans and log lines.",
    ),
    LazyCommand(
        "console",
        "lab.bench.console:console",
        "Measure the services with the console on, stopped, killed, frozen, and with a full disk.",
    ),
    LazyCommand(
        "memory",
        "lab.bench.memory:memory",
        "Measure the memory growth of the running lab's console and agent.",
    ),
    LazyCommand(
        "scale",
        "lab.bench.scale.command:scale",
        "Measure pages, verify, scrape and collection against the size of the data, with exponents.",
    ),
    LazyCommand(
        "start",
        "lab.bench.start:start",
        "Measure the CPU time in which each command starts, beside that of its libraries.",
    ),
    LazyCommand(
        "up",
        "lab.bench.up:up",
        "Measure how long `up` takes, with an empty cluster and again, beside its libraries alone.",
    ),
    LazyCommand("pages", "lab.bench.pages:pages", "Measure the console's pages on a large store."),
)
