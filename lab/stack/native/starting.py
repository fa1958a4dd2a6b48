"""`up`: brings the lab from whatever state it is in to the one that was asked for, or leaves it as it was."""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.clients.services import clients, shop_client
from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.lock import held
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack import agent
from lab.stack import prometheus_configuration as monitoring
from lab.stack.agent import Agent
from lab.stack.component import Component
from lab.stack.components import COMPONENTS, POSTGRES, chosen, selection
from lab.stack.environment import inherited, of_settings
from lab.stack.native import binaries, logs
from lab.stack.native.command import Launch
from lab.stack.native.commands import cluster
from lab.stack.native.stopping import end_processes, stop
from lab.stack.native.supervision import Supervisor
from lab.stack.ports import require_free
from lab.stack.up_options import Memory
from workload.limits import MAX_ARRIVALS_PER_S

if TYPE_CHECKING:
    from lab.seed import SeedReport

MAX_STARTS = 3
LOG_LINES = 8

# The settings of the seed that the database must agree with; others take the database's value.
AskedFor = Collection[str]
# Fills the database, which has its schema, or finds it filled.
Seed = Callable[[LabSettings, AskedFor], "SeedReport"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `up` did: the components it started, in order, and what the person should know."""

    settings: LabSettings
    started: tuple[str, ...]
    notes: tuple[str, ...] = ()


def up(settings: LabSettings, asked: Memory, *, reporter: Reporter, seed: Seed) -> Outcome:
    """Start what was asked for and does not run yet; whatever this call started, it stops if it fails.

    Args:
        settings: as read from the environment; a lab that runs keeps its own until it is restarted.
        asked: the options of this call.
        reporter: hears of each step.
        seed: called once the database is there, if this call started it.

    Raises:
        LabError: when a component cannot be had, started or reached.
    """
    paths = Paths.of(settings)
    selection(asked.services)
    settings = agent.chosen(settings)
    statefile.require_directories_above(paths.state)
    for directory in (paths.logs, paths.run):
        statefile.make_directory(directory)
    with held(paths.lock):
        supervisor = Supervisor(paths)
        scale = set() if asked.scale is None else {"seed_scale"}
        known = Memory.read(paths.memory) or Memory()
        if supervisor.answers() and known.prepared:
            memory = known.amended(asked)
            running = memory.running(settings)
            memory = memory.with_settings(running)
            start = _Start(running, memory, supervisor, reporter, seed, asked_for=scale)
            outcome = start.complete(asked, known)
            return replace(outcome, notes=_notes(start.memory, settings))
        if end_processes(paths, supervisor, reporter):
            reporter.done("leftovers", "what ran without a complete start is ended; starting again")
        memory = known.to_start_again(settings).amended(asked)
        asked_for = settings.model_fields_set | scale
        settings = memory.options_on(settings)
        memory = memory.with_settings(settings)
        start = _Start(settings, memory, supervisor, reporter, seed, asked_for=asked_for)
        return start.from_nothing(known)


def _notes(memory: Memory, settings: LabSettings) -> tuple[str, ...]:
    changed = memory.differences(settings)
    if not changed:
        return ()
    return (f"The lab runs with another {', '.join(changed)}; `./creditlab restart` applies it.",)


class _Start:
    """One call of `up`."""

    def __init__(
        self,
        settings: LabSettings,
        memory: Memory,
        supervisor: Supervisor,
        reporter: Reporter,
        seed: Seed,
        *,
        asked_for: AskedFor,
    ) -> None:
        self.settings = settings
        self.memory = memory
        self.supervisor = supervisor
        self.reporter = reporter
        self.seed = seed
        self.asked_for = asked_for
        self.paths = Paths.of(settings)
        shop = bool(memory.shop)
        self.launch = Launch(settings=settings, services=chosen(memory.services, shop=shop))
        self.wanted = selection(memory.services, Agent.of(settings), shop=shop)

    def from_nothing(self, known: Memory) -> Outcome:
        """Start supervisord and everything that is wanted."""
        require_free(self.wanted, self.settings)
        self._find_programs()
        with ExitStack() as undo:
            undo.callback(replace(known, prepared=False, settings={}).write, self.paths.memory)
            self.memory.write(self.paths.memory)
            undo.callback(stop, self.paths, self.supervisor, self.reporter)
            variables = {**inherited(), **of_settings(self.settings, LabSettings.model_fields)}
            self.supervisor.start(COMPONENTS.values(), variables)
            started = self._start(self.wanted)
            undo.pop_all()
        return started

    def complete(self, asked: Memory, known: Memory) -> Outcome:
        """Start what is missing of a lab that runs, stop what is no longer wanted, set the load."""
        processes = self.supervisor.processes()
        failing = [c for c in self.wanted if processes[c.name].keeps_failing]
        unwanted = [c for c in COMPONENTS.values() if c not in self.wanted]
        self.supervisor.stop_components([*failing, *unwanted])
        missing = [c for c in self.wanted if c in failing or not processes[c.name].is_up]
        require_free(missing, self.settings)
        with ExitStack() as undo:
            undo.callback(known.write, self.paths.memory)
            self.memory.write(self.paths.memory)
            undo.callback(self.supervisor.stop_components, missing)
            if POSTGRES not in missing:
                self._seed()
            outcome = self._start(missing)
            self._tell_prometheus()
            if asked.load is not None:
                self._set_load(asked.load)
            undo.pop_all()
        return outcome

    def _find_programs(self) -> None:
        self.reporter.begin("programs")
        say = self.reporter.wait
        postgres = binaries.postgres_bin(say)
        exporter = binaries.exporter(say)
        prometheus = binaries.prometheus(say)
        installed = Agent.of(self.settings)
        datadog = f", Datadog Agent {installed.version()}" if installed else ""
        self.reporter.done(
            "programs",
            f"PostgreSQL {postgres.version}, postgres_exporter {exporter.version},"
            f" Prometheus {prometheus.version}{datadog}",
        )

    def _start(self, components: Sequence[Component]) -> Outcome:
        if POSTGRES in components:
            self._start_postgres()
        others = [c for c in components if c is not POSTGRES]
        for component in others:
            self.supervisor.start_component(component.name)
        # What ran before is asked too: `up` returns when the lab is ready, not when it has forked.
        for component in self.wanted:
            if component is not POSTGRES or POSTGRES not in components:
                self._await(component, tell=component in others)
        return Outcome(settings=self.settings, started=tuple(c.name for c in components))

    def _start_postgres(self) -> None:
        server, _ = cluster(self.launch)
        made = not server.data.exists()
        self.reporter.begin("postgres", "making the cluster" if made else "")
        server.create()
        self.supervisor.start_component(POSTGRES.name)
        self._await_state(
            POSTGRES,
            "postgres accepts connections",
            lambda: None if server.is_ready() else "it does not yet",
        )
        self.reporter.wait("roles and schema")
        server.initialise()
        self._await_state(POSTGRES, POSTGRES.proof, lambda: POSTGRES.probe(self.settings))
        told = ", made the cluster, its roles and schema" if made else ""
        self.reporter.done("postgres", POSTGRES.address(self.settings) + told)
        self._seed()

    def _seed(self) -> None:
        self.reporter.begin("data")
        report = self.seed(self.settings, self.asked_for)
        self.reporter.done("data", report.summary)
        if (scale := float(report.scale)) != self.settings.seed_scale:
            # Data that were there: state.json is lost, or is not theirs.
            self.settings = self.settings.model_copy(update={"seed_scale": scale})
            self.memory = replace(self.memory, scale=scale).with_settings(self.settings)
        # From here on a running lab is completed, not started again.
        self.memory = replace(self.memory, prepared=True)
        self.memory.write(self.paths.memory)

    def _await(self, component: Component, *, tell: bool) -> None:
        if tell:
            self.reporter.begin(component.name)
        self._await_state(component, component.proof, lambda: component.probe(self.settings))
        if tell:
            self.reporter.done(component.name, component.address(self.settings))

    def _await_state(
        self, component: Component, what: str, probe: Callable[[], str | None]
    ) -> None:
        seen_pids: set[int] = set()

        def watch(seen: str) -> None:
            self.reporter.wait(seen)
            process = self.supervisor.processes()[component.name]
            if process.pid:
                seen_pids.add(process.pid)
            if len(seen_pids) >= MAX_STARTS or not process.is_up:
                raise NotReadyError(
                    f"{component.name} ended {len(seen_pids)} times instead of: {what}."
                )

        try:
            await_state(what, probe, within_s=self.settings.startup_timeout_s, watch=watch)
        except NotReadyError as error:
            log = logs.file_of(component.name, self.paths)
            end = "\n".join(f"  {line}" for line in logs.tail(log, LOG_LINES)) or "  (nothing)"
            raise LabError(f"{error}\nThe end of {log}:\n{end}") from None

    def _tell_prometheus(self) -> None:
        """Prometheus watches these files: a service that was left out must not look like one that died."""
        ports = {name: getattr(self.settings, f"{name}_port") for name in self.launch.services}
        monitoring.write_targets(self.paths.prometheus / "etc", self.settings, ports)

    def _set_load(self, load: float) -> None:
        running = [
            client
            for client in (*clients(self.settings), shop_client(self.settings))
            if client.name in self.launch.services
        ]
        before = {client.name: float(client.health()["load"]) for client in running}
        try:
            for client in running:
                client.set_load(load)
        except LabError:
            for client in running:
                with suppress(LabError):
                    client.set_load(before[client.name])
            raise
        limited = [client.name for client in running if load and client.health()["limited"]]
        note = f"; {', '.join(limited)} at {MAX_ARRIVALS_PER_S:,.0f} arrivals/s, the most there is"
        self.reporter.done(
            "load", f"{load:g} times the rates of the settings{note if limited else ''}"
        )
