"""`up`: starts the native lab, or its missing components; on failure it restores the previous state."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

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
from lab.stack.backend import RequiredSettings, Seed, UpResult
from lab.stack.check import CHECK, Checkout
from lab.stack.components import COMPONENTS, POSTGRES, Component, chosen, selection
from lab.stack.environment import inherited, of_settings
from lab.stack.native import alertmanager, binaries, logs
from lab.stack.native.commands import Launch, cluster
from lab.stack.native.stopping import end_processes, stop
from lab.stack.native.supervision import Supervisor
from lab.stack.ports import require_free
from lab.stack.up_options import UpOptions
from workload.limits import MAX_ARRIVALS_PER_S

MAX_STARTS = 3
LOG_LINES = 8


def up(settings: LabSettings, requested: UpOptions, *, reporter: Reporter, seed: Seed) -> UpResult:
    """Start the selected components that do not run yet; on failure stop those that this call started.

    Args:
        settings: from the environment; a running lab keeps its own until it is restarted.
        requested: the options of this call.
        reporter: receives the progress.
        seed: called when the database is ready.

    Raises:
        LabError: when a component cannot be found, started or reached.
    """
    paths = Paths.of(settings)
    selection(requested.services)
    settings = agent.chosen(settings)
    statefile.require_directories_above(paths.state)
    for directory in (paths.logs, paths.run):
        statefile.make_directory(directory)
    with held(paths.lock):
        supervisor = Supervisor(paths)
        scale = set() if requested.scale is None else {"seed_scale"}
        known = UpOptions.read(paths.up_options) or UpOptions()
        if supervisor.answers() and known.prepared:
            options = known.amended(requested)
            running = options.running(settings)
            options = options.with_settings(running)
            start = _Start(running, options, supervisor, reporter, seed, required=scale)
            outcome = start.complete(requested, known)
            return replace(outcome, notes=_notes(start.options, settings))
        if end_processes(paths, supervisor, reporter):
            reporter.done("leftovers", "stopped processes of an incomplete start; starting again")
        options = known.to_start_again(settings).amended(requested)
        required = settings.model_fields_set | scale
        settings = options.applied_to(settings)
        options = options.with_settings(settings)
        start = _Start(settings, options, supervisor, reporter, seed, required=required)
        return start.from_nothing(known)


def _notes(options: UpOptions, settings: LabSettings) -> tuple[str, ...]:
    changed = options.differences(settings)
    if not changed:
        return ()
    return (
        f"The running lab has other values of {', '.join(changed)}; `./creditlab restart` applies yours.",
    )


class _Start:
    """One call of `up`."""

    def __init__(
        self,
        settings: LabSettings,
        options: UpOptions,
        supervisor: Supervisor,
        reporter: Reporter,
        seed: Seed,
        *,
        required: RequiredSettings,
    ) -> None:
        self.settings = settings
        self.options = options
        self.supervisor = supervisor
        self.reporter = reporter
        self.seed = seed
        self.required = required
        self.paths = Paths.of(settings)
        services = chosen(options.services, shop=bool(options.shop))
        self.launch = Launch(settings=settings, services=services)
        self.wanted = self._selection()

    def from_nothing(self, known: UpOptions) -> UpResult:
        """Start supervisord and all selected components."""
        require_free(self.wanted, self.settings)
        self._find_programs()
        self.wanted = self._selection()
        require_free(self.wanted, self.settings)
        with ExitStack() as undo:
            undo.callback(replace(known, prepared=False, settings={}).write, self.paths.up_options)
            self.options.write(self.paths.up_options)
            undo.callback(stop, self.paths, self.supervisor, self.reporter)
            variables = {**inherited(), **of_settings(self.settings, LabSettings.model_fields)}
            self.supervisor.start(COMPONENTS.values(), variables)
            started = self._start(self.wanted)
            undo.pop_all()
        return started

    def complete(self, requested: UpOptions, known: UpOptions) -> UpResult:
        """Start missing components of a running lab, stop those that are not selected, set the load."""
        processes = self.supervisor.processes()
        failing = [c for c in self.wanted if processes[c.name].keeps_failing]
        unwanted = [c for c in COMPONENTS.values() if c not in self.wanted]
        self.supervisor.stop_components([*failing, *unwanted])
        missing = [c for c in self.wanted if c in failing or not processes[c.name].is_up]
        require_free(missing, self.settings)
        with ExitStack() as undo:
            undo.callback(known.write, self.paths.up_options)
            self.options.write(self.paths.up_options)
            undo.callback(self.supervisor.stop_components, missing)
            if POSTGRES not in missing:
                self._seed()
            outcome = self._start(missing)
            self._update_targets()
            if requested.load is not None:
                self._set_load(requested.load)
            undo.pop_all()
        return outcome

    def _selection(self) -> tuple[Component, ...]:
        return selection(
            self.options.services,
            Agent.of(self.settings),
            shop=bool(self.options.shop),
            alertmanager=alertmanager.present(),
        )

    def _find_programs(self) -> None:
        self.reporter.begin("programs")
        say = self.reporter.wait
        postgres = binaries.postgres_bin(say)
        exporter = binaries.exporter(say)
        prometheus = binaries.prometheus(say)
        try:
            alerting = f"Alertmanager {alertmanager.find(say).version}"
        except LabError as error:
            # Alerts are evaluated without it, and the console shows those of Prometheus.
            alerting = f"no Alertmanager: {str(error).splitlines()[0]}"
        installed = Agent.of(self.settings)
        datadog = f", Datadog Agent {installed.version()}" if installed else ""
        if self.settings.datadog_agent == CHECK:
            checkout = Checkout.examine(self.settings)
            checkout.prepare(self.settings, say)
            datadog = f", Datadog's postgres check {checkout.version}"
        self.reporter.done(
            "programs",
            f"PostgreSQL {postgres.version}, postgres_exporter {exporter.version},"
            f" Prometheus {prometheus.version}, {alerting}{datadog}",
        )

    def _start(self, components: Sequence[Component]) -> UpResult:
        if POSTGRES in components:
            self._start_postgres()
        others = [c for c in components if c is not POSTGRES]
        for component in others:
            self.supervisor.start_component(component.name)
        # Also those that ran before: `up` returns when all components are ready.
        for component in self.wanted:
            if component is not POSTGRES or POSTGRES not in components:
                self._await(component, report=component in others)
        return UpResult(started=tuple(c.name for c in components))

    def _start_postgres(self) -> None:
        server, _ = cluster(self.launch)
        is_new = not server.data.exists()
        self.reporter.begin("postgres", "creating the cluster" if is_new else "")
        server.create()
        self.supervisor.start_component(POSTGRES.name)
        self._await_state(
            POSTGRES,
            "postgres accepts connections",
            lambda: None if server.is_ready() else "not yet",
        )
        self.reporter.wait("roles and schema")
        server.initialise()
        self._await_state(POSTGRES, POSTGRES.proof, lambda: POSTGRES.probe(self.settings))
        detail = ", created the cluster, its roles and schema" if is_new else ""
        self.reporter.done("postgres", POSTGRES.address(self.settings) + detail)
        self._seed()

    def _seed(self) -> None:
        self.reporter.begin("data")
        report = self.seed(self.settings, self.required)
        self.reporter.done("data", report.summary)
        if (scale := float(report.scale)) != self.settings.seed_scale:
            # The data were seeded before: state.json is lost, or belongs to other data.
            self.settings = self.settings.model_copy(update={"seed_scale": scale})
            self.options = replace(self.options, scale=scale).with_settings(self.settings)
        # From now on `up` completes a running lab, and does not start it again.
        self.options = replace(self.options, prepared=True)
        self.options.write(self.paths.up_options)

    def _await(self, component: Component, *, report: bool) -> None:
        if report:
            self.reporter.begin(component.name)
        self._await_state(component, component.proof, lambda: component.probe(self.settings))
        if report:
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
                    f"{component.name} ended {len(seen_pids)} times; expected: {what}."
                )

        try:
            await_state(what, probe, within_s=self.settings.startup_timeout_s, watch=watch)
        except NotReadyError as error:
            log = logs.file_of(component.name, self.paths)
            end = "\n".join(f"  {line}" for line in logs.tail(log, LOG_LINES)) or "  (empty)"
            raise LabError(f"{error}\nThe end of {log}:\n{end}") from None

    def _update_targets(self) -> None:
        """Write Prometheus' targets: a service that is not selected must not be a target that is down."""
        ports = {name: getattr(self.settings, f"{name}_port") for name in self.launch.services}
        monitoring.write_targets(
            self.paths.prometheus / "etc",
            self.settings,
            ports,
            alertmanager=alertmanager.present(),
        )

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
        note = f"; {', '.join(limited)} at the maximum, {MAX_ARRIVALS_PER_S:,.0f} arrivals/s"
        self.reporter.done(
            "load", f"{load:g} times the rates of the settings{note if limited else ''}"
        )
