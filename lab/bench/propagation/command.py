"""The command and its tables."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench.machine import Watch, publish, watched
from lab.bench.overhead.observers import sink
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST, Estimate, Verdict
from lab.bench.propagation.bouncer import bouncer
from lab.bench.propagation.cells import DIRECT, DRIVERS, MODES, PGBOUNCER, PSYCOPG2, ROUTES, Address
from lab.bench.propagation.measure import Row, Server, measure, planned
from lab.bench.propagation.packages import drivers as installed_drivers
from lab.bench.propagation.packages import versions
from lab.bench.propagation.pool import workers
from lab.bench.scratch import postgres_version, seeded, temporary_server
from lab.clients.database import Role
from lab.foundation.settings import LabSettings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, chosen
from lab.terminal.screen import Screen

SCALE = 0.05
# Ratios are paired within a round.
CLAIM = 0.05
FIGURES = {"p99_ms": "p99", "client_cpu_us": "client CPU", "server_cpu_us": "server CPU"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The extent of a run; `executions` of each turn."""

    drivers: tuple[str, ...]
    routes: tuple[str, ...]
    rounds: int
    executions: int


def propagation(
    rounds: Annotated[
        int,
        typer.Option(
            help=f"Rounds; fewer than {ROUNDS_AT_LEAST} give no verdict.", min=1, max=1000
        ),
    ] = 9,
    executions: Annotated[
        int, typer.Option(help="Executions of each turn.", min=4, max=1_000_000)
    ] = 600,
    drivers: Annotated[
        str | None, typer.Option(help=f"Only these of {', '.join(DRIVERS)}.", metavar="A,B")
    ] = None,
    routes: Annotated[
        str | None, typer.Option(help=f"Only these of {', '.join(ROUTES)}.", metavar="A,B")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare DBM propagation by driver and route: linked executions, plans, statements, p99, CPU."""
    wanted = chosen(drivers, "--drivers", "driver", DRIVERS)
    by = chosen(routes, "--routes", "route", ROUTES)
    with interruptible(), watched(CLAIM, postgres_version()) as watch:
        plan = Plan(drivers=wanted, routes=by, rounds=rounds, executions=executions)
        found = run(LabSettings.load(), plan, watch)
    document = {"rounds": rounds, "executions": executions, "cells": [asdict(row) for row in found]}
    publish(watch, document, lambda: tables(found, rounds, executions), as_json=as_json)


def run(settings: LabSettings, plan: Plan, watch: Watch) -> list[Row]:
    """Measure on a temporary server of the benchmark.

    Raises:
        LabError: when the drivers cannot be installed, a component does not start, or a statement fails.
    """
    with ExitStack() as stack:
        screen = stack.enter_context(Screen())
        screen.begin("propagation")
        # psycopg2 is the lab's own.
        packages = installed_drivers(screen.wait) if set(plan.drivers) - {PSYCOPG2} else None
        watch.programs |= versions(packages) if packages else {}
        screen.wait("starting PostgreSQL")
        own = stack.enter_context(temporary_server(settings))
        with screen.suspended():
            seeded(own, SCALE)
        addresses = {DIRECT: _address(own, own.postgres_port, prepared=True)}
        pooler = None
        if PGBOUNCER in plan.routes:
            pooler = stack.enter_context(bouncer(own, own.lab_state_dir))
            addresses[PGBOUNCER] = _address(own, pooler.port, prepared=pooler.prepared)
            watch.programs["pgbouncer"] = pooler.version
        cells = planned(plan.drivers, plan.routes)
        receiver = stack.enter_context(sink())
        started = stack.enter_context(
            workers(
                cells,
                {route: addresses[route] for route in plan.routes},
                packages=packages,
                spans_to=f"http://127.0.0.1:{receiver.port}",
            )
        )
        return measure(
            Server(settings=own, pooler=pooler.process if pooler else None),
            started, cells, rounds=plan.rounds, executions_each=plan.executions, progress=screen.wait,
        )  # fmt: skip


def _address(settings: LabSettings, port: int, *, prepared: bool) -> Address:
    return Address(
        host=settings.postgres_host,
        port=port,
        database=settings.postgres_db,
        user=Role.APP.value,
        password=settings.credit_app_password.get_secret_value(),
        prepared=prepared,
    )


def tables(found: Sequence[Row], rounds: int, executions: int) -> RenderableType:
    """Return what PostgreSQL saw, and what it cost, with notes."""
    notes = (
        "linked: executions whose text in the log and in pg_stat_activity has the ids of their own span",
        "claimed: the span's tag _dd.dbm_trace_injected reports so; service: the text names the service",
        "plans reused: executions that were not planned; entries, text: of pg_stat_statements",
        f"ratios: to propagation {MODES[0]} in the same round; geometric mean, 95 % interval",
        f"{rounds} rounds of {executions} executions",
        "server CPU: PostgreSQL and PgBouncer; SQLAlchemy runs on psycopg2",
    )
    return Group(_seen(found), Text(), _costs(found), Text("\n".join(notes), style="dim"))


def _seen(found: Sequence[Row]) -> Table:
    table = _table("What PostgreSQL saw")
    for heading in ("linked", "claimed", "service", "plans reused", "entries", "text, bytes"):
        table.add_column(heading, justify="right")
    for row in found:
        seen = row.seen
        shares = (
            seen.linked.to_span, seen.linked.claimed, seen.linked.to_service, seen.plans_reused,
        )  # fmt: skip
        table.add_row(
            *_name(row), *(f"{s:.0%}" for s in shares), str(seen.entries), str(seen.text_bytes)
        )
    return table


def _costs(found: Sequence[Row]) -> Table:
    table = _table("What an execution costs")
    for heading in (
        "p99, ms",
        "client CPU, µs",
        "server CPU, µs",
        *(f"{f} ratio" for f in FIGURES.values()),
    ):
        table.add_column(heading, justify="right")
    for row in found:
        one = row.typical
        figures = (f"{one.p99_ms:.2f}", f"{one.client_cpu_us:.0f}", f"{one.server_cpu_us:.0f}")
        table.add_row(*_name(row), *figures, *(_ratio(row.ratios.get(name)) for name in FIGURES))
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("driver", "route", "propagation"):
        table.add_column(heading)
    return table


def _name(row: Row) -> tuple[str, str, str]:
    return row.cell.driver, row.cell.route, row.cell.mode


def _ratio(estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text("1")
    between = "" if estimate.low is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    clear = estimate.verdict in {Verdict.LOWER, Verdict.HIGHER}
    return Text(f"{estimate.value:.2f}{between}", style="bold" if clear else "dim")
