"""The installed Datadog Agent of this machine: if there is one, native mode uses it, not the embedded agent.

It can run at the same time as the machine's own Agent: with a configuration, a run directory and ports of its
own, and without the checks of the host. datadog/entrypoint.sh, the container's entrypoint, selects where it
sends, in a container and on a machine alike.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, DatadogSettings, LabSettings, with_account_links
from lab.stack.check import CHECK, Checkout
from lab.stack.environment import of_settings, plain

AUTO, EMBEDDED = "auto", "embedded"
# They replace an Agent, and send nothing to Datadog.
SUBSTITUTES = frozenset({EMBEDDED, CHECK})
INSTALLED = Path("/opt/datadog-agent/bin/agent/agent")
AT_LEAST = 7
ANSWER_S = 20
LOOPBACK = "127.0.0.1"

SOURCE = ROOT / "datadog"
ENTRYPOINT = SOURCE / "entrypoint.sh"
CHECKS = ("postgres.d/conf.yaml", "openmetrics.d/conf.yaml")
HEADING = "# Written by ./creditlab whenever the Agent starts; see docs/datadog.md."
# Values of Compose's network in the configuration.
CONTAINER_PORT = "port: 5432"
CONTAINER_LOG = "/var/log/postgresql/postgresql-*.log"
CONTAINER_SERVICE = re.compile(r"http://(?P<service>\w+):\d+/metrics")


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An Agent's main program."""

    path: Path

    @classmethod
    def of(cls, settings: LabSettings) -> Self | None:
        """Return the Agent of settings that `chosen` returned; None: a substitute."""
        found = settings.datadog_agent
        return None if found == AUTO or found in SUBSTITUTES else cls(path=Path(found))

    @property
    def trace_agent(self) -> Path | None:
        """The trace agent's program: of the Agent's package, or on PATH."""
        packaged = self.path.parent.parent.parent / "embedded" / "bin" / "trace-agent"
        on_path = shutil.which("trace-agent")
        if packaged.is_file():
            return packaged
        return Path(on_path) if on_path else None

    def version(self) -> str:
        """Return the version that `datadog-agent version` prints, such as 7.85.4.

        Raises:
            LabError: when it is not an Agent 7.
        """
        try:
            output = subprocess.run(
                [self.path, "version"],
                capture_output=True,
                text=True,
                env=plain(),
                timeout=ANSWER_S,
                check=False,
            ).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._no_agent(str(error)) from error
        match = re.match(r"Agent (\d+)(\.\d+\S*)", output)
        if not match or int(match[1]) < AT_LEAST:
            raise self._no_agent(f"`version` prints {output[:60].strip()!r}")
        return match[1] + match[2]

    def _no_agent(self, seen: str) -> LabError:
        return LabError(
            f"{self.path} is not a Datadog Agent {AT_LEAST}: {seen}.\n"
            "Set DATADOG_AGENT to an Agent's program, or to embedded or check to run without one."
        )


def chosen(settings: LabSettings) -> LabSettings:
    """Return settings with `auto` resolved in `datadog_agent`: to the path of an Agent 7, or `embedded`.

    With an Agent, links lead to the account of DD_API_KEY; its substitutes send nothing there.

    Raises:
        LabError: when the settings name a program that is not an Agent 7, or no usable source of the check.
    """
    configured = settings.datadog_agent
    if configured == AUTO:
        found = next(_installed(), None)
        settings = settings.model_copy(update={"datadog_agent": str(found) if found else EMBEDDED})
    elif configured == CHECK:
        Checkout.examine(settings)
    elif configured != EMBEDDED:
        Agent(path=Path(configured)).version()
    return settings if settings.datadog_agent in SUBSTITUTES else with_account_links(settings)


def _installed() -> Iterator[Path]:
    on_path = shutil.which("datadog-agent")
    # Resolved: packages install a link on PATH, and the other programs are beside its target.
    for path in ([Path(on_path).resolve()] if on_path else []) + [INSTALLED]:
        if path.is_file():
            try:
                Agent(path=path).version()
            except LabError:
                continue
            yield path


def configure(directory: Path, agent: Agent, settings: LabSettings, log: Path) -> None:
    """Write the Agent's configuration directory; it has no secrets, and only its owner may enter.

    Args:
        directory: its files are replaced, except those of the Agent itself.
        agent: the installed Agent.
        settings: addresses of the database and the services.
        log: the directory of PostgreSQL's log.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / "run").mkdir(exist_ok=True)
    for name in CHECKS:
        text = (SOURCE / "conf.d" / name).read_text(encoding="utf-8")
        _write(directory / "conf.d" / name, _on_this_machine(text, settings, log))
    document = json.dumps(_main(directory, agent, settings), indent=2)
    _write(directory / "datadog.yaml", f"{HEADING}\n{document}\n")


def _write(path: Path, text: str) -> None:
    """Replace a file atomically: the Agent's two programs start at the same time, and each writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _on_this_machine(text: str, settings: LabSettings, log: Path) -> str:
    def address(match: re.Match[str]) -> str:
        port = getattr(settings, f"{match['service']}_port")
        return f"http://{reachable(settings.bind_address)}:{port}/metrics"

    text = CONTAINER_SERVICE.sub(address, text)
    text = text.replace(CONTAINER_PORT, f"port: {settings.postgres_port}")
    return text.replace(CONTAINER_LOG, json.dumps(str(log / "postgresql-*.log")))


def _main(directory: Path, agent: Agent, settings: LabSettings) -> dict[str, object]:
    """Return the content of datadog.yaml, which is written as JSON (a subset of YAML)."""
    off = {"enabled": False}
    return {
        # As in Docker.
        "hostname": "credit-lab",
        # No file of the machine's own Agent is read or written.
        "confd_path": str(directory / "conf.d"),
        "additional_checksd": str(directory / "checks.d"),
        "run_path": str(directory / "run"),
        "auth_token_file_path": str(directory / "auth_token"),
        "disable_file_logging": True,
        # All ports listen on loopback. The health port is not used: it listens on every address.
        "expvar_port": settings.embedded_agent_port,
        "telemetry": {"enabled": True},
        "cmd_port": settings.agent_cmd_port,
        "GUI_port": -1,
        "use_dogstatsd": False,
        "apm_config": {
            "enabled": agent.trace_agent is not None,
            "target_traces_per_second": settings.dd_apm_target_tps,
            "receiver_port": settings.trace_agent_port,
            "receiver_socket": "",
            "debug": {"port": 0},
        },
        # Only the lab's database and services, nothing else of this machine.
        "ignore_autoconf": ["ntp"],
        "autoconfig_from_environment": False,
        "cloud_provider_metadata": [],
        "process_config": {
            "process_collection": off,
            "container_collection": off,
            "process_discovery": off,
        },
    }


def environment(directory: Path, settings: LabSettings) -> dict[str, str]:
    """Return the environment of the Agent's programs: the secrets, and the entrypoint's variables."""
    account = DatadogSettings.load()
    proxies: Mapping[str, str] = plain("DD_PROXY_") if account.dd_api_key else plain()
    wanted = {"postgres_host", "postgres_db", "datadog_db_password", "lab_console_token"}
    return {
        **proxies,
        **of_settings(settings, [*wanted, "dd_env"]),
        **of_settings(account, ["dd_api_key", "dd_site"]),
        "LAB_INTAKE": f"{reachable(settings.bind_address)}:{settings.console_port}",
        "DD_CONFD_PATH": str(directory / "conf.d"),
        # With an account only; the entrypoint turns it off in local mode.
        "DD_LOGS_ENABLED": "true",
    }


def mode() -> str:
    """Return a description of where the Agent sends."""
    account = DatadogSettings.load()
    if account.dd_api_key:
        return f"account mode, to {account.dd_site} and the console"
    return "local mode, to the console only"
