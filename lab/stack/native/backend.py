"""The backend of native mode: supervisord and the processes of this machine."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack.agent import Agent
from lab.stack.backend import ComponentLine, ComponentUsage, Mode, Seed, UpResult
from lab.stack.check import CHECK
from lab.stack.collector_failures import CollectorFailures
from lab.stack.components import COMPONENTS
from lab.stack.native import examination, logs, records, starting, stopping
from lab.stack.native.process_cost import cost_of
from lab.stack.native.supervision import Supervisor
from lab.stack.status import Status, completed
from lab.stack.up_options import UpOptions
from lab.telemetry.store.senders import CHECK_LABEL, embedded_label

FOLLOW_EVERY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class NativeBackend:
    """See lab/stack/backend.py for each method."""

    settings: LabSettings
    mode: ClassVar = Mode.NATIVE
    has_store: ClassVar = True

    @property
    def _paths(self) -> Paths:
        return Paths.of(self.settings)

    @property
    def up_options_file(self) -> Path:
        """The file with the options of the last `up`."""
        return self._paths.up_options

    def available(self) -> bool:
        """Natively the lab needs nothing that is not fetched or reported by `up`."""
        return True

    def runs(self) -> bool:
        """Whether supervisord answers, or a recorded process is alive."""
        return Supervisor(self._paths).answers() or any(records.living(self._paths.run))

    def up(self, requested: UpOptions, *, reporter: Reporter, seed: Seed) -> UpResult:
        """Start what is missing; see lab/stack/native/starting.py."""
        if sys.platform != "linux":
            raise LabError(
                "Without Docker the lab needs Linux. Start Docker: ./creditlab up --docker"
            )
        return starting.up(self.settings, requested, reporter=reporter, seed=seed)

    def down(self, *, wipe: bool, reporter: Reporter) -> bool:
        """Stop everything in order; see lab/stack/native/stopping.py."""
        return stopping.down(self.settings, wipe=wipe, reporter=reporter)

    def status(self) -> Status:
        """Return the state of the processes, and what the embedded agent could not collect."""
        settings = self.running_settings()
        found = completed(examination.examine(self.settings), settings)
        return replace(found, collector_failures=CollectorFailures.fetch(settings))

    def running_settings(self) -> LabSettings:
        """Return the settings of the last `up`, or the given ones."""
        options = UpOptions.read(self.up_options_file)
        return options.running(self.settings) if options else self.settings

    def logs(self, component: str | None, *, follow: bool, tail: int) -> Iterator[ComponentLine]:
        """Yield the lines of the log files; `follow` ends with supervisord."""
        chosen = [component] if component else logs.names()
        for name, file in [(name, logs.file_of(name, self._paths)) for name in chosen]:
            yield from (ComponentLine(component=name, text=line) for line in logs.tail(file, tail))
        if follow:
            yield from self._new_lines(chosen)

    def _new_lines(self, chosen: list[str]) -> Iterator[ComponentLine]:
        supervisor = Supervisor(self._paths)
        with ExitStack() as files:
            followers = {
                name: files.enter_context(closing(logs.Follower(name, self._paths)))
                for name in chosen
            }
            alive = True
            while alive:
                alive = supervisor.answers()
                for name, follower in followers.items():
                    for line in follower.new_lines():
                        yield ComponentLine(component=name, text=line)
                time.sleep(FOLLOW_EVERY_S)

    def start_component(self, name: str) -> None:
        """Start a component by supervisord."""
        supervisor = Supervisor(self._paths)
        if not supervisor.processes()[name].is_up:
            supervisor.start_component(name)

    def stop_component(self, name: str) -> None:
        """Stop a component by supervisord."""
        Supervisor(self._paths).stop_components([COMPONENTS[name]])

    def usage(self) -> Iterator[ComponentUsage]:
        """Yield the usage of each recorded process and its descendants."""
        for record, process in records.living(self._paths.run):
            cost = cost_of(process)
            if cost.resident:
                age_s = max(clock.now_s() - record.created, 1.0)
                yield ComponentUsage(
                    component=record.component,
                    program=self._program(record.component),
                    cpu_percent=100 * cost.cpu_s / age_s,
                    memory_bytes=cost.resident,
                    period="mean",
                )

    def _program(self, component: str) -> str:
        if component != "datadog" or Agent.of(self.settings):
            return component
        substitute = (
            CHECK_LABEL
            if self.settings.datadog_agent == CHECK
            else embedded_label(self.settings.embedded_agent_activity_seconds)
        )
        return f"{component} ({substitute})"
