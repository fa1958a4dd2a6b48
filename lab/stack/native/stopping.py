"""`down`: stops the native lab in order, and verifies that every process has ended."""

import signal
from contextlib import suppress
from pathlib import Path

import psutil

from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.lock import held
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS, POSTGRES
from lab.stack.native import records
from lab.stack.native.supervision import NAME as SUPERVISORD
from lab.stack.native.supervision import SupervisionError, Supervisor
from lab.stack.up_options import UpOptions

SUPERVISORD_WITHIN_S = 15
LEFTOVERS_WITHIN_S = 30
# Maximum duration of `down` natively: clients (65 s), PostgreSQL (85 s) and supervisord (25 s) are stopped in
# order; processes that do not stop are killed, in three groups (40 s each).
DOWN_WITHIN_S = 300


def down(settings: LabSettings, *, wipe: bool, reporter: Reporter) -> bool:
    """Stop the lab within DOWN_WITHIN_S, by SIGKILL if necessary; return whether anything ran.

    Args:
        settings: the state directory.
        wipe: also remove the data, the logs and the options of `up`. Fetched programs are kept.
        reporter: receives the progress.

    Raises:
        LabError: when a process does not end even when killed.
    """
    paths = Paths.of(settings)
    if not paths.state.is_dir():
        return False
    with held(paths.lock):
        ran = stop(paths, Supervisor(paths), reporter)
        if wipe:
            _wipe(paths)
            reporter.done("wiped", f"data, logs and options in {paths.state}")
    if wipe:
        paths.lock.unlink(missing_ok=True)
        with suppress(OSError):  # other files in it are not the lab's
            paths.state.rmdir()
    return ran


def stop(paths: Paths, supervisor: Supervisor, reporter: Reporter) -> bool:
    """Stop everything, and remove the files of a running lab; the caller holds the lock.

    Returns whether anything ran.
    """
    ran = end_processes(paths, supervisor, reporter)
    _forget(paths)
    return ran


def end_processes(paths: Paths, supervisor: Supervisor, reporter: Reporter) -> bool:
    """End every process of the lab, supervised or not; return whether there was any."""
    supervised = supervisor.answers()
    if supervised:
        _stop_in_order(supervisor, reporter)
    leftovers = end_leftovers(paths, reporter)
    return supervised or leftovers


def _stop_in_order(supervisor: Supervisor, reporter: Reporter) -> None:
    """Stop all processes by supervisord; kill those that do not stop."""
    try:
        daemon = psutil.Process(supervisor.pid())
    except (SupervisionError, psutil.NoSuchProcess):
        return
    family = records.descendants(daemon)
    within_s = float(SUPERVISORD_WITHIN_S)
    try:
        _stop_components(supervisor, reporter)
        supervisor.shut_down()
    except (SupervisionError, NotReadyError) as error:
        first_line, *_ = str(error).splitlines()
        reporter.done(SUPERVISORD, f"killed, because it does not stop: {first_line}")
        within_s = 0.0
        # First, or it would restart killed processes.
        family |= records.descendants(daemon)
        with suppress(psutil.NoSuchProcess):
            daemon.kill()
    _require_gone(records.wait_or_kill(family, within_s=within_s))


def end_leftovers(paths: Paths, reporter: Reporter) -> bool:
    """End the processes of a lab whose supervisord was killed; return whether there were any."""
    found = {record.component: process for record, process in records.living(paths.run)}
    clients = [name for name in COMPONENTS if name != POSTGRES.name]
    # First supervisord, which would restart the others; last PostgreSQL, which the others need.
    for group in ([SUPERVISORD], clients, [POSTGRES.name]):
        ending = {name: found[name] for name in group if name in found}
        family: set[psutil.Process] = set()
        for name, process in ending.items():
            reporter.begin(name, "a leftover process of an earlier run; ending it")
            family |= records.descendants(process)
            _ask_to_end(name, process)
        _require_gone(records.wait_or_kill(family, within_s=LEFTOVERS_WITHIN_S))
        for name in ending:
            reporter.done(name, "ended; a leftover process of an earlier run")
    return bool(found)


def _ask_to_end(name: str, process: psutil.Process) -> None:
    component = COMPONENTS.get(name)
    for each in records.descendants(process):
        # A process that was stopped by SIGSTOP does not handle signals.
        with suppress(psutil.NoSuchProcess):
            each.resume()
    with suppress(psutil.NoSuchProcess):
        process.send_signal(
            signal.Signals[f"SIG{component.stop_signal}"] if component else signal.SIGTERM
        )


def _stop_components(supervisor: Supervisor, reporter: Reporter) -> None:
    """Stop the clients before their server: the services drain while PostgreSQL still answers."""
    clients = [c for c in COMPONENTS.values() if c is not POSTGRES]
    for group in (clients, [POSTGRES]):
        reporter.begin(group[0].name, "stopping")
        supervisor.stop_components(group, lambda name: reporter.done(name, "stopped"))


def _require_gone(remaining: list[psutil.Process]) -> None:
    if remaining:
        pids = ", ".join(str(process.pid) for process in remaining)
        raise LabError(
            f"These processes did not end, even when killed: {pids}.\n"
            "They may wait for a disk; see `ps -o pid,stat,wchan,cmd` and retry."
        )


def _forget(paths: Paths) -> None:
    """Remove the files of a running lab; the scale is kept with the data."""
    options = UpOptions.read(paths.up_options)
    if options:
        UpOptions(scale=options.scale).write(paths.up_options)
    for name in (f"{SUPERVISORD}.pid", f"{SUPERVISORD}.conf", "supervisor.sock"):
        statefile.discard(paths.state / name)
    _remove(paths.run, paths.scratch)


def _wipe(paths: Paths) -> None:
    _remove(paths.postgres, paths.prometheus, paths.agent, paths.store.parent, paths.logs)
    _remove(
        paths.alertmanager, paths.check, paths.drills, paths.exams, paths.alerts, paths.mcp_token
    )
    _remove(paths.up_options, paths.saved, *paths.state.glob(f"*{statefile.DAMAGED}"))


def _remove(*there: Path) -> None:
    for path in there:
        statefile.discard(path)
