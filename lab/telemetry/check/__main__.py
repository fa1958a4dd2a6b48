"""`python -m lab.telemetry.check`: runs Datadog's check; metrics on EMBEDDED_AGENT_PORT."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.telemetry.check.bridge import Bridge, configuration
from lab.telemetry.embedded.__main__ import HOST
from lab.telemetry.embedded.collector import SERVICE
from lab.telemetry.embedded.delivery import Delivery, Schedule
from lab.telemetry.embedded.metrics import INTERVAL_S
from lab.telemetry.embedded.process import run_process
from lab.telemetry.store.senders import Source

PROCESS = Path(__file__).with_name("process.py")
CONFIG = ROOT / "datadog" / "conf.d" / "postgres.d" / "conf.yaml"
# Of the clone of integrations-core; both are parts of one package, `datadog_checks`.
PACKAGES = ("datadog_checks_base", "postgres")
ENDS_WITHIN_S = 10


class Check:
    """The check's process, its delivery and its metrics."""

    def __init__(self, settings: LabSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._delivery = Delivery.of(settings)
        self._runs = Counter(
            "lab_check_runs", "Runs of Datadog's check, by result", ["result"], registry=registry
        )
        self._ignored = Counter(
            "lab_check_ignored_values",
            "Values of histograms and events of other kinds, which are not sent",
            registry=registry,
        )
        self._waiting = Gauge(
            "lab_check_waiting_payloads",
            "Payloads that the intake has not accepted yet",
            registry=registry,
        )

    def run(self, stop: threading.Event) -> None:
        """Run the check until `stop` is set.

        Raises:
            LabError: when it cannot be started, or ends by itself.
        """
        sender = threading.Thread(
            target=self._delivery.run, args=(stop, Schedule(), self._waiting.set), daemon=True
        )
        sender.start()
        with self._process(stop) as process:
            assert process.stdin
            assert process.stdout
            bridge = Bridge(
                calls=process.stdout,
                answers=process.stdin,
                put=self._delivery.put,
                tags=(f"agent:{Source.CHECK}", f"service:{SERVICE}"),
                ran=self._ran,
                ignored=self._ignored.inc,
            )
            variables = {
                "POSTGRES_HOST": self._settings.postgres_host,
                "POSTGRES_DB": self._settings.postgres_db,
                "DATADOG_DB_PASSWORD": self._settings.datadog_db_password.get_secret_value(),
                "DD_ENV": self._settings.dd_env,
            }
            port = self._settings.postgres_port
            text = configuration(CONFIG.read_text(encoding="utf-8"), variables, port=port)
            bridge.serve(text, hostname=HOST, interval_s=INTERVAL_S)
        if not stop.is_set():
            raise LabError(
                f"The process of Datadog's check ended with status {process.returncode};"
                " its messages are above."
            )
        sender.join()

    @contextmanager
    def _process(self, stop: threading.Event) -> Iterator["subprocess.Popen[str]"]:
        """Start the process of the check; it is ended when `stop` is set, and with the block."""
        source = self._settings.datadog_check_source
        assert source
        python = Paths.of(self._settings).check_python
        process = subprocess.Popen(
            [python, "-P", PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ},
                "PYTHONPATH": os.pathsep.join(str(source / name) for name in PACKAGES),
                # The checkout stays as it is.
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUTF8": "1",
            },
        )

        def end() -> None:
            stop.wait()
            process.terminate()

        threading.Thread(target=end, daemon=True).start()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _ran(self, error: str) -> None:
        self._runs.labels("failed" if error else "ok").inc()
        if error:
            print(f"Datadog's check: {error}", file=sys.stderr, flush=True)


def run(settings: LabSettings, registry: CollectorRegistry, stop: threading.Event) -> None:
    """Run Datadog's check until `stop` is set."""
    Check(settings, registry).run(stop)


if __name__ == "__main__":
    run_process("Datadog's check:", run)
