"""Benchmarks: what the lab does beside a known tool, on one server and in one run."""

import typer

from lab.bench import console, intake, memory, pages, seed
from lab.bench.cost import cost
from lab.bench.load import load
from lab.bench.overhead import overhead

app = typer.Typer(
    help="Measure the lab beside pgbench, on the server that runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(seed.seed)
app.command()(load)
app.command()(overhead)
app.command()(cost)
app.command()(intake.intake)
app.command()(console.console)
app.command()(memory.memory)
app.command()(pages.pages)


@app.callback()
def _choose() -> None:
    """Keep the name of a benchmark obligatory, also while there is only one."""
