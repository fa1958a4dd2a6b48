"""k8s/ against docker-compose.yml and the configuration files that both share."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.autodiscovery import OUTPUT, files
from lab.foundation.settings import ROOT
from tests.fix_kubernetes import (
    K8S,
    Object,
    mounted,
    one,
    overlay,
    pods,
)
from tests.fix_prometheus import promtool
from workload.settings import Settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
KNOBS = dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
REFERENCE = re.compile(r"\$\{([A-Z0-9_]+):-([^}]*)\}")
# All of the overlay local, and the shop.
SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk", "shop")
# The container of each of Compose's services: workload, and name in its pod.
PLACES = {
    "postgres": ("postgres", "postgres"),
    "postgres-exporter": ("postgres", "postgres-exporter"),
    "console": ("postgres", "console"),
    "seed": ("seed", "seed"),
    "prometheus": ("prometheus", "prometheus"),
    "alertmanager": ("alertmanager", "alertmanager"),
    "grafana": ("grafana", "grafana"),
    "datadog-agent": ("datadog-agent", "agent"),
    **{service: (service, "service") for service in SERVICES},
}


def default(value: str) -> str:
    """Fill in `${NAME:-default}` as Compose does without a .env."""
    return REFERENCE.sub(lambda match: match[2], value)


def container(objects: tuple[Object, ...], service: str) -> Object:
    pod, name = PLACES[service]
    found: Object
    [found] = [c for c in pods(objects)[pod]["spec"]["containers"] if c["name"] == name]
    return found


def environment(objects: tuple[Object, ...], service: str) -> dict[str, str]:
    """Return what a container is given; of a Secret, the value that components/lab-secrets makes."""
    given: dict[str, str] = {}
    asked = container(objects, service)
    for source in asked.get("envFrom", []):
        given |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in asked.get("env", []):
        match variable.get("valueFrom", {}):
            case {"secretKeyRef": {"name": "datadog-keys"}}:
                given[variable["name"]] = ""
            case {"secretKeyRef": {"name": name, "key": key}}:
                given[variable["name"]] = secret(objects, name)[key]
            case {"fieldRef": {"fieldPath": path}}:
                given[variable["name"]] = f"<{path}>"
            case _:
                given[variable["name"]] = variable["value"]
    return given


def secret(objects: tuple[Object, ...], name: str) -> dict[str, str]:
    data = one(objects, "Secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_there_is_a_container_for_each_of_composes() -> None:
    assert set(COMPOSE) == set(PLACES)
    found = {
        (name, c["name"]) for name, pod in pods(overlay("shop")).items() for c in pod["spec"]["containers"]
    }  # fmt: skip
    assert found == set(PLACES.values())


@pytest.mark.parametrize("service", PLACES)
def test_the_image_is_that_of_compose(service: str) -> None:
    # A service that is built names its image where it is built, or inherits the shared one.
    image = COMPOSE[service].get("image", "credit-lab-workload:${DD_VERSION:-0.2.0}")
    assert container(overlay("shop"), service)["image"] == default(image)


DOCKER_HBA = "pg_hba.docker.conf"


@pytest.mark.parametrize("service", PLACES)
def test_the_arguments_are_those_of_compose(service: str) -> None:
    asked = COMPOSE[service]
    here = container(overlay("shop"), service)
    # The superuser comes from the pod itself; in Docker, from the gateway of the compose network.
    there = [default(a).replace(DOCKER_HBA, "pg_hba.conf") for a in asked.get("command", [])]
    assert here.get("args", []) == there
    own = None if service in ("prometheus", "alertmanager") else asked.get("entrypoint")
    assert here.get("command") == own


@pytest.mark.parametrize("service", PLACES)
def test_the_limits_are_those_of_compose(service: str) -> None:
    limits = container(overlay("shop"), service)["resources"]["limits"]
    assert limits["memory"] == COMPOSE[service]["mem_limit"].removesuffix("m") + "Mi"
    cpu = str(limits["cpu"])
    cores = int(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)
    assert cores == COMPOSE[service]["cpus"]


# Deliberate differences of Kubernetes: the value there for that of Compose.
ELSEWHERE = {
    # Native to a pod: the exporter is beside the database, the probes are Kubernetes' own.
    ("postgres-exporter", "DATA_SOURCE_URI"): (
        "127.0.0.1:5432/creditdb?sslmode=disable&application_name=postgres_exporter"
    ),
    ("datadog-agent", "DD_HOSTNAME"): "<spec.nodeName>",
    ("datadog-agent", "DD_LOGS_ENABLED"): "false",
    **{(service, "HEALTH_URL"): None for service in SERVICES},
    # A mounted file.
    ("prometheus", "CONSOLE_TOKEN"): None,
    ("alertmanager", "CONSOLE_TOKEN"): None,
    ("console", "POSTGRES_HOST"): "127.0.0.1",
    # Each replica has clocks of its own, and a Service's name leads to one of them.
    ("console", "SERVICES_BY_NAME"): None,
    # The superuser is not admitted from the seed's pod, so its password is not given.
    ("seed", "POSTGRES_PASSWORD"): None,
    ("seed", "POSTGRES_USER"): None,
    # In the annotation of the database's pod, it is that pod's address.
    ("datadog-agent", "POSTGRES_HOST"): None,
    # No control requests from outside a pod: without a token they are refused.
    **{(service, "LAB_CONTROL_TOKEN"): None for service in SERVICES},
}  # fmt: skip


@pytest.mark.parametrize("service", PLACES)
def test_the_environment_is_that_of_compose(service: str) -> None:
    """Every variable that Compose sets has the same value; the few that differ stand above."""
    given = environment(overlay("shop"), service)
    for name, value in (COMPOSE[service].get("environment") or {}).items():
        if (service, name) in ELSEWHERE:
            assert given.get(name) == ELSEWHERE[service, name]
        elif value is not None:
            assert (name, given.get(name)) == (name, default(value))


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_is_given_is_a_setting_of_it(service: str) -> None:
    """A variable that is not read, or not documented as a setting, is a mistake."""
    given = set(environment(overlay("shop"), service))
    known = {name.upper() for name in Settings.model_fields} | {"DD_SERVICE", "DD_TRACE_AGENT_URL"}
    assert given - known == set()
    assert {name for name in given if "PASSWORD" in name} == {"CREDIT_APP_PASSWORD"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_counts_its_own_replicas(service: str) -> None:
    objects = overlay("shop")
    assert environment(objects, service)["WORKLOAD_REPLICAS_HOST"] == service
    assert one(objects, "Service", service)["spec"]["clusterIP"] == "None"


def test_ports_are_those_of_compose() -> None:
    published = {
        service: default(COMPOSE[service]["ports"][0]).rpartition(":")[2]
        for service in PLACES
        if "ports" in COMPOSE[service]
    }
    here = {s: str(container(overlay("shop"), s)["ports"][0]["containerPort"]) for s in published}
    assert here == published


@pytest.mark.parametrize("service", SERVICES)
def test_annotation_service_and_container_agree_on_the_port(service: str) -> None:
    objects = overlay("shop")
    port = Settings.model_fields[f"{service}_port"].default
    annotations = pods(objects)[service]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == str(port)
    assert annotations["prometheus.io/path"] == "/metrics"
    assert one(objects, "Service", service)["spec"]["ports"][0]["port"] == port


def test_the_exporter_is_a_sidecar_that_the_pod_is_scraped_at() -> None:
    pod = pods(overlay("shop"))["postgres"]
    assert "postgres-exporter" in [c["name"] for c in pod["spec"]["containers"]]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == "9187"


# What Compose mounts, and Kubernetes mounts otherwise: addresses come from the API server, and the Agent's
# checks from annotations.
OTHERWISE = (
    "./prometheus/prometheus.yml",
    # Writes the console's token into a file; Kubernetes mounts the Secret.
    "./prometheus/docker-entrypoint.sh",
    "./datadog/conf.d",
)


def binds(service: str) -> Iterator[tuple[Path, str]]:
    """Yield the files that Compose mounts into a container, and where."""
    for volume in COMPOSE[service].get("volumes", []):
        if not isinstance(volume, str) or not default(volume).startswith("./"):
            continue
        source, target, _ = default(volume).split(":")
        if source in OTHERWISE:
            continue
        path = ROOT / source
        for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
            yield file, target if file == path else f"{target}/{file.relative_to(path)}"


@pytest.mark.parametrize("service", PLACES)
def test_the_configuration_files_are_those_of_compose(service: str) -> None:
    """The same bytes at the same places, from the same files: none forgotten, none of its own."""
    objects = overlay("shop")
    pod, name = PLACES[service]
    here = mounted(objects, pods(objects)[pod], name)
    here.pop("/etc/alertmanager/secrets/console-token", None)
    if service == "prometheus":
        own = {
            "/etc/prometheus/prometheus.yml",
            "/etc/prometheus/scrape/scrape.yml",
            "/etc/prometheus/secrets/console-token",
        }
        assert own <= set(here)
        here = {path: text for path, text in here.items() if path not in own}
    there = {target: file.read_text() for file, target in binds(service) if file.name != DOCKER_HBA}
    assert here == there


def test_what_compose_keeps_in_a_volume_is_kept_here() -> None:
    """A claim for each named volume; PostgreSQL's log is for the pod's lifetime, its Agent reads none."""
    stateful = [o for o in overlay("shop") if o["kind"] == "StatefulSet"]
    kept = {
        f"{o['metadata']['name']}: {claim['metadata']['name']}"
        for o in stateful
        for claim in o["spec"]["volumeClaimTemplates"]
    }
    named = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]
    assert len(kept) == len(set(named) - {"postgres-log", "datadog-run"})
    assert kept == {
        *("postgres: data", "postgres: console-data"),
        *("prometheus: data", "alertmanager: data", "grafana: data"),
    }


def test_the_passwords_of_a_lab_are_those_of_the_example() -> None:
    passwords = secret(overlay("shop"), _name(overlay("shop"), "credit-lab-passwords"))
    assert passwords.pop("LAB_CONSOLE_TOKEN") == "0" * 32
    assert passwords == {name: KNOBS[name] for name in passwords}
    grafana = secret(overlay("shop"), _name(overlay("shop"), "credit-lab-grafana"))
    assert list(grafana.values()) == [KNOBS["GRAFANA_ADMIN_PASSWORD"], KNOBS["GRAFANA_ADMIN_USER"]]


def _name(objects: tuple[Object, ...], prefix: str) -> str:
    [name] = [
        o["metadata"]["name"]
        for o in objects
        if o["kind"] == "Secret" and o["metadata"]["name"].startswith(prefix)
    ]
    return str(name)


def test_the_checks_in_annotations_are_made_from_the_agents_configuration() -> None:
    """Run `python -m k8s.autodiscovery` after a change of datadog/conf.d."""
    assert {name: (OUTPUT / name).read_text() for name in files()} == files()
    objects = overlay("shop")
    annotation = pods(objects)["postgres"]["metadata"]["annotations"]
    [check] = json.loads(annotation["ad.datadoghq.com/postgres.checks"])["postgres"]["instances"]
    assert check["dbm"] is True
    for service in SERVICES:
        annotation = pods(objects)[service]["metadata"]["annotations"]
        assert "openmetrics" in json.loads(annotation["ad.datadoghq.com/service.checks"])


@pytest.mark.parametrize("name", ["local", "scale"])
def test_promtool_accepts_prometheus_as_it_is_mounted(name: str, tmp_path: Path) -> None:
    objects = overlay(name)
    for path, text in mounted(objects, pods(objects)["prometheus"], "prometheus").items():
        file = tmp_path / path.removeprefix("/etc/prometheus/")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    if name == "local":
        assert (tmp_path / "secrets" / "console-token").read_text() == "0" * 32
    reported = subprocess.run(
        [promtool().path, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr


def test_jobs_are_those_of_the_other_modes_but_for_how_targets_are_found() -> None:
    ours = jobs(K8S / "base" / "prometheus" / "scrape.yml")
    theirs = jobs(ROOT / "prometheus" / "prometheus.yml")
    # Relative to the file, which is in a folder of its own here.
    theirs["lab"]["authorization"] = {"credentials_file": "../secrets/console-token"}
    assert ours == theirs


def jobs(file: Path) -> dict[str, Any]:
    how = {"file_sd_configs", "kubernetes_sd_configs", "static_configs", "relabel_configs"}
    return {
        job["job_name"]: {key: value for key, value in job.items() if key not in how}
        for job in yaml.safe_load(file.read_text())["scrape_configs"]
    }


@pytest.mark.parametrize("place", ["base/prometheus", "overlays/scale"])
def test_the_global_section_is_that_of_the_other_modes(place: str) -> None:
    ours = yaml.safe_load((K8S / place / "prometheus.yml").read_text())
    theirs = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    labels = ours["global"].pop("external_labels", None)
    assert (labels is not None) == (place == "overlays/scale") == ("remote_write" in ours)
    assert (ours["global"], ours["rule_files"]) == (theirs["global"], theirs["rule_files"])
