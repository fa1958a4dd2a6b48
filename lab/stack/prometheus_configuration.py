"""Prometheus' configuration: the project's files, and the targets in each mode."""

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from lab.foundation import statefile
from lab.foundation.addresses import reachable, with_own_addresses
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.agent import Agent

_SOURCE = ROOT / "prometheus"
# In prometheus.yml, relative to it.
CONSOLE_TOKEN = Path("secrets") / "console-token"
EXPORTER_ARGUMENTS = _SOURCE / "exporter" / "args.txt"
EXPORTER_QUERIES = _SOURCE / "exporter" / "queries.yaml"
_IN_DOCKER = _SOURCE / "targets.docker"
# Not in that folder: plain `docker compose up` starts no shop, and a missing target would be down.
_SHOP_IN_DOCKER = {"targets": ["shop:5000"], "labels": {"service": "credit-shop"}}

# Below the scrape interval: a collector that waits for a lock ends before the next scrape.
_EXPORTER_TIMEOUT = "--collection-timeout=9s"
_FIRST_WITH_TIMEOUT = (0, 19)


def exporter_timeout(version: str) -> tuple[str, ...]:
    """Return the exporter's argument for its timeout per scrape; versions before 0.19 have none."""
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return (_EXPORTER_TIMEOUT,) if numbers >= _FIRST_WITH_TIMEOUT else ()


def configure(
    directory: Path,
    settings: LabSettings,
    services: Mapping[str, int],
    *,
    alertmanager: bool = False,
) -> None:
    """Write Prometheus' configuration directory: prometheus.yml, rules/, secrets/ and targets/.

    Args:
        directory: replaced.
        settings: the addresses of the database, the exporter and Prometheus.
        services: the ports of the selected services, by name.
        alertmanager: whether one runs that receives the alerts.
    """
    statefile.discard(directory)
    statefile.make_directory(directory)
    shutil.copy(_SOURCE / "prometheus.yml", directory)
    shutil.copytree(_SOURCE / "rules", directory / "rules")
    alerts = directory / "rules" / "alerts.yml"
    alerts.write_text(with_own_addresses(alerts.read_text(encoding="utf-8"), settings), "utf-8")
    write_targets(directory, settings, services, alertmanager=alertmanager)
    _write_token(directory, settings)


def configure_alertmanager(directory: Path, settings: LabSettings) -> None:
    """Write Alertmanager's configuration: ALERTMANAGER_CONFIG with this lab's console, and its token."""
    given = Path(settings.alertmanager_config)
    text = (given if given.is_absolute() else ROOT / given).read_text(encoding="utf-8")
    console = f"http://{reachable(settings.bind_address)}:{settings.console_port}"
    text = text.replace("http://console:8088", console)
    text = text.replace("/etc/alertmanager/secrets", str(directory / CONSOLE_TOKEN.parent))
    statefile.write(directory / "alertmanager.yml", text.encode())
    _write_token(directory, settings)


def _write_token(directory: Path, settings: LabSettings) -> None:
    token = settings.lab_console_token
    statefile.make_directory(directory / CONSOLE_TOKEN.parent)
    secret = token.get_secret_value() if token else ""
    statefile.write(directory / CONSOLE_TOKEN, secret.encode(), mode=0o600)


def write_docker_targets(directory: Path, services: Collection[str]) -> None:
    """Write the targets of prometheus/targets.docker/, with only the selected services.

    Args:
        directory: created when it is missing; readable for the container's user.
        services: their names.
    """
    statefile.make_directory(directory)
    directory.chmod(0o755)
    wanted = {f"credit-{name}" for name in services}
    for file in sorted(_IN_DOCKER.glob("*.json")):
        groups = json.loads(file.read_text(encoding="utf-8"))
        if file.stem == "workload":
            groups = [g for g in (*groups, _SHOP_IN_DOCKER) if g["labels"]["service"] in wanted]
        _write(directory / file.name, groups)


def write_targets(
    directory: Path,
    settings: LabSettings,
    services: Mapping[str, int],
    *,
    alertmanager: bool = False,
) -> None:
    """Write targets/; a running Prometheus reloads them."""
    targets = directory / "targets"
    statefile.make_directory(targets)
    for name, groups in _targets(settings, services, alertmanager).items():
        _write(targets / f"{name}.json", groups)


def _targets(
    settings: LabSettings, services: Mapping[str, int], alertmanager: bool
) -> dict[str, list[dict[str, object]]]:
    def group(port: int, **labels: str) -> dict[str, object]:
        return {"targets": [f"{reachable(settings.bind_address)}:{port}"], "labels": labels}

    database = f"{settings.postgres_host}:{settings.postgres_port}"
    return {
        "postgres_exporter": [group(settings.exporter_port, instance=database)],
        "prometheus": [group(settings.prometheus_port)],
        "alertmanager": [group(settings.alertmanager_port)] if alertmanager else [],
        "lab": [
            group(settings.console_port, component="console"),
            # A real Agent reports its own metrics to the account.
            *(
                []
                if Agent.of(settings)
                else [group(settings.embedded_agent_port, component="datadog")]
            ),
        ],
        "workload": [group(port, service=f"credit-{name}") for name, port in services.items()],
    }


def _write(file: Path, groups: list[dict[str, object]]) -> None:
    statefile.write(file, (json.dumps(groups, indent=2) + "\n").encode(), mode=0o644)
