"""docker-compose.yml against .env.example, the settings, native mode's command lines and its own promises."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.foundation.settings import ROOT, LabSettings
from lab.stack.components import SERVICES
from lab.stack.native.commands import COMMANDS, Launch
from tests.standins.engine import compose_command
from workload.settings import Settings

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
KNOBS = dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
REFERENCE = re.compile(r"\$\{([A-Z0-9_]+):-([^}]*)\}")
IMAGES = ["POSTGRES", "DATADOG_AGENT", "EXPORTER", "PROMETHEUS", "ALERTMANAGER", "GRAFANA"]
OWN_HEALTHCHECK = {*SERVICES, "shop"}  # the image's
MEBIBYTE = 1 << 20


def interpolated(value: str, variables: Mapping[str, str] | None = None) -> str:
    """Fill in `${NAME:-default}` as Compose does."""
    return REFERENCE.sub(lambda match: (variables or {}).get(match[1], match[2]), value)


def environment(container: str) -> dict[str, str | None]:
    return dict(CONTAINERS[container].get("environment") or {})


def test_every_variable_is_a_knob_with_the_same_default() -> None:
    """No `$NAME` without a default, so that a missing .env works; the default is .env.example's."""
    assert set(re.findall(r"(?<!\$)\$(?:\{\w+(?!\w*:-)|\w+)", TEXT)) == set()
    defaults = dict(REFERENCE.findall(TEXT))
    # None natively, where the lab listens on loopback; the Agent's fake key in a container.
    assert defaults.pop("LAB_CONSOLE_TOKEN") == "0" * 32
    assert defaults.pop("LAB_CONTROL_TOKEN") == "0" * 32
    assert {name: KNOBS.get(name) for name in defaults} == defaults


def test_names_that_are_passed_on_are_knobs() -> None:
    passed = {n for c in CONTAINERS for n, value in environment(c).items() if value is None}
    assert passed - set(KNOBS) == set()


@pytest.mark.parametrize("service", [*SERVICES, "shop"])
def test_a_service_is_given_every_setting_it_reads(service: str) -> None:
    """All but where it listens, which inside a container is fixed."""
    ports = {f"{name}_port" for name in (*SERVICES, "shop")}
    wanted = {name.upper() for name in set(Settings.model_fields) - ports - {"bind_address"}}
    assert wanted - set(environment(service)) == set()


@pytest.mark.parametrize("service", [*SERVICES, "shop"])
def test_a_service_is_reached_and_asked_at_its_own_port_under_its_own_name(service: str) -> None:
    port = Settings.model_fields[f"{service}_port"].default
    container = CONTAINERS[service]
    [published] = container["ports"]
    assert container["command"] == [service]
    assert environment(service)["DD_SERVICE"] == f"credit-{service}"
    assert environment(service)["HEALTH_URL"] == f"http://127.0.0.1:{port}/healthz"
    assert interpolated(published) == f"127.0.0.1:{port}:{port}"


def test_a_service_holds_no_password_but_its_own() -> None:
    for service in (*SERVICES, "shop"):
        passwords = {name for name in environment(service) if "PASSWORD" in name or "KEY" in name}
        assert passwords == {"CREDIT_APP_PASSWORD"}


def test_only_the_one_address_publishes_anything() -> None:
    published = [port for container in CONTAINERS.values() for port in container.get("ports", [])]
    assert len(published) == 12
    assert [p for p in published if not p.startswith("${BIND_ADDRESS:-127.0.0.1}:")] == []


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_confined(name: str) -> None:
    """No capability, no privilege to gain, bounded memory, processors, processes and log; no socket."""
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"privileged", "network_mode", "pid", "cap_add"} & set(container) == set()
    assert {"mem_limit", "cpus", "pids_limit"} <= set(container)
    assert set(container["logging"]["options"]) == {"max-size", "max-file"}
    assert "docker.sock" not in str(container)
    assert container["networks"] == ["observability"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_restarts_and_says_whether_it_works(name: str) -> None:
    container = CONTAINERS[name]
    if name == "seed":
        assert container["restart"] == "no"
        return
    assert container["restart"] == "unless-stopped"
    assert ("healthcheck" in container) != (name in OWN_HEALTHCHECK)


def test_dependencies_wait_for_a_state() -> None:
    states = {"service_healthy", "service_completed_successfully"}
    for container in CONTAINERS.values():
        for dependency in container.get("depends_on", {}).values():
            assert dependency["condition"] in states


def test_all_limits_together_are_what_the_header_says() -> None:
    always = [container for container in CONTAINERS.values() if "profiles" not in container]
    memory = sum(int(c["mem_limit"].removesuffix("m")) for c in always) * MEBIBYTE
    cpus = sum(c["cpus"] for c in always)
    assert memory < 4.4e9
    assert f"{memory / 1e9:.2f} GB of memory" in TEXT
    assert f"{cpus:g} CPUs" in TEXT


@pytest.mark.parametrize("image", IMAGES)
def test_each_image_is_pinned_by_a_tag(image: str) -> None:
    tag = KNOBS[f"{image}_IMAGE"].rpartition(":")[2]
    assert re.match(r"v?\d", tag)


def flags(command: list[str], *, places: set[str]) -> list[str]:
    """Return arguments with directories taken out, and without those that say where things are."""
    kept = [interpolated(a) for a in command if a.partition("=")[0] not in places]
    return [re.sub(r"(^@|=)/.*/", r"\1", argument) for argument in kept]


@pytest.mark.parametrize(
    ("container", "component"),
    [("postgres-exporter", "postgres_exporter"), ("prometheus", "prometheus")],
)
def test_observers_run_with_the_flags_of_native_mode(
    container: str, component: str, tmp_path: Path
) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
    native = COMMANDS[component](Launch(settings=settings, services=SERVICES))
    places = {"--web.listen-address", "--storage.tsdb.path"}
    wanted = flags(list(native.argv[1:]), places=places)
    assert flags(CONTAINERS[container]["command"], places=places) == wanted


def test_the_exporter_logs_in_as_in_native_mode(tmp_path: Path) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path, postgres_host="postgres")
    launch = Launch(settings=settings, services=SERVICES)
    native = COMMANDS["postgres_exporter"](launch).environment
    for name, value in environment("postgres-exporter").items():
        assert interpolated(value or "") == native[name]


def binds() -> Iterator[str]:
    for container in CONTAINERS.values():
        for volume in container.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                yield volume
            elif isinstance(volume, dict) and volume["type"] == "bind":
                mode = "ro" if volume["read_only"] else "rw"
                yield f"{interpolated(volume['source'])}:{volume['target']}:{mode}"


@pytest.mark.parametrize("bind", sorted(set(binds())))
def test_what_is_mounted_is_there_and_read_only(bind: str) -> None:
    """A source that is missing would be made by Docker, as an empty directory of root's."""
    source, _, mode = bind.split(":")
    assert mode == "ro"
    there = ROOT / source
    assert there.is_file() or any(there.iterdir())


def test_named_volumes_are_all_declared_and_used() -> None:
    used = set()
    for container in CONTAINERS.values():
        for volume in container.get("volumes", []):
            text = volume["source"] if isinstance(volume, dict) else volume
            used.add(interpolated(text).partition(":")[0])
    assert {name for name in used if not name.startswith(".")} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("key", ["", "0123456789abcdef0123456789abcdef"], ids=["local", "key"])
@pytest.mark.parametrize("dotenv", ["", "example", "all"])
def test_compose_accepts_the_file_without_a_word(tmp_path: Path, dotenv: str, key: str) -> None:
    """`docker compose config` is clean with and without .env, with every knob in use, and with a key."""
    command = compose_command()
    if command is None:
        pytest.skip("no Docker Compose")
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    if dotenv == "example":
        (tmp_path / ".env").write_text(EXAMPLE)
    elif dotenv == "all":
        lines = [f"{name}={value}" for name, value in KNOBS.items() if name != "DD_API_KEY"]
        (tmp_path / ".env").write_text("\n".join(lines))
    reported = subprocess.run(
        [*command.argv, "config", "--quiet"],
        cwd=tmp_path,
        env={**command.environment, **({"DD_API_KEY": key} if key else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (reported.returncode, reported.stdout, reported.stderr) == (0, "", "")
