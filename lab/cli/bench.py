"""`bench`: mounts the benchmarks of lab.bench, which are imported only when asked for."""

import typer


def bench(context: typer.Context) -> None:
    """Measure seeding and the load engine beside pgbench."""
    from lab.bench import app

    app(args=context.args, prog_name="creditlab bench")
