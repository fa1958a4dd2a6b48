"""Runs docker compose with docker-compose.yml; the only module that runs docker.

lifecycle.py interprets the results for the lab.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT

# The first version whose `--wait` supports one-shot services, and with nocopy in long-syntax volumes.
COMPOSE_AT_LEAST = (2, 20)
ANSWERS_WITHIN_S = 5
# An engine that runs the lab answers late on a busy machine; that is no reason to call the lab stopped.
RUNNING_ANSWERS_WITHIN_S = 60
# Length of container ids in `docker stats`.
SHORT_ID = 12
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
INSTALL = "https://docs.docker.com/engine/install/"


class NoEngineError(LabError):
    """No Docker engine answers. `./creditlab up --native` needs none."""


class EngineTimeoutError(NoEngineError):
    """An engine exists, and does not answer in time: whether it runs the lab is unknown."""


class ComposeError(LabError):
    """docker compose failed; the message is the end of its output."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published port of a container."""

    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container as Compose reports it; `health` is empty without a health check, or without a process."""

    service: str
    state: str
    health: str
    exit_code: int
    image: str
    published: tuple[Published, ...]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Parse one row of `docker compose ps --format json`."""
        return cls(
            service=row["Service"],
            state=row["State"],
            health=row["Health"],
            exit_code=row["ExitCode"],
            image=row["Image"],
            published=tuple(
                Published(address=p["URL"], port=p["PublishedPort"])
                for p in row["Publishers"] or ()
                if p["PublishedPort"]
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Resource usage of a container: per cent of one processor, and bytes of memory."""

    cpu_percent: float
    memory_bytes: float

    @classmethod
    def from_json(cls, row: Mapping[str, str]) -> Self:
        """Parse one row of `docker stats`, whose values are formatted for display.

        >>> Usage.from_json({"CPUPerc": "12.50%", "MemUsage": "20.5MiB / 1.9GiB"})
        Usage(cpu_percent=12.5, memory_bytes=21495808.0)

        Raises:
            ComposeError: when a value has another format.
        """
        cpu = re.fullmatch(r"([\d.]+)%", row["CPUPerc"])
        memory = re.match(r"([\d.]+)((?:[KMGT]i)?B)\b", row["MemUsage"])
        if not cpu or not memory:
            raise ComposeError(
                f"docker stats reports {row['CPUPerc']}, {row['MemUsage']}; expected were 1.5%, 20MiB / 1GiB."
            )
        return cls(cpu_percent=float(cpu[1]), memory_bytes=float(memory[1]) * BYTES[memory[2]])


def require_engine(within_s: float = ANSWERS_WITHIN_S) -> None:
    """Return when an engine answers and Compose is new enough.

    Raises:
        EngineTimeoutError: when the engine does not answer in time.
        NoEngineError: with what is missing, and what to do.
    """
    native = "Or run on this machine without containers: ./creditlab up --native"
    if not shutil.which("docker"):
        raise NoEngineError(f"There is no docker on the PATH. Install it ({INSTALL}).\n{native}")
    try:
        done = _run("docker", "version", within_s=within_s)
    except subprocess.TimeoutExpired:
        raise EngineTimeoutError(
            f"The Docker engine does not answer within {within_s:g} s."
            f" Is it starting, or is DOCKER_HOST unreachable?\n{native}"
        ) from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        next_step = "Start Docker, and retry."
        if "permission denied" in reason.lower():
            next_step = (
                "Run as root, or join the group: sudo usermod -aG docker $USER, and log in again."
            )
        raise NoEngineError(f"The Docker engine does not answer: {reason}\n{next_step}\n{native}")
    done = _run("docker", "compose", "version", "--short")
    match = re.match(r"v?(\d+)\.(\d+)", done.stdout)
    if not match or (int(match[1]), int(match[2])) < COMPOSE_AT_LEAST:
        found = done.stdout.strip() if match else "none"
        wanted = ".".join(map(str, COMPOSE_AT_LEAST))
        raise NoEngineError(
            f"The lab needs the Compose plugin {wanted} or newer; found: {found}."
            f" Install docker-compose-plugin ({INSTALL}).\n{native}"
        )


def environment_of(service: str) -> Mapping[str, str | None]:
    """Return a service's environment as Compose resolves it from the shell and .env.

    Raises:
        ComposeError: when docker-compose.yml or .env cannot be read.
    """
    resolved = json.loads(_checked("config", "--format", "json"))
    environment: Mapping[str, str | None] = resolved["services"][service]["environment"]
    return environment


def environment_within(service: str) -> Mapping[str, str]:
    """Return the environment of a service's container; empty when there is no container."""
    identity = _checked("ps", "--all", "--quiet", service).strip()
    if not identity:
        return {}
    done = _run("docker", "inspect", "--format", "{{json .Config.Env}}", identity)
    if done.returncode != 0:
        raise ComposeError(done.stderr.strip())
    # A variable without a value has no `=`.
    pairs = (variable.partition("=") for variable in json.loads(done.stdout))
    return {name: value for name, _, value in pairs}


def services() -> list[str]:
    """Return the names of all services of docker-compose.yml."""
    return _checked("config", "--services").split()


def containers() -> dict[str, Container]:
    """Return the project's containers by service, including those that have ended."""
    lines = _checked("ps", "--all", "--format", "json").splitlines()
    found = (Container.from_json(json.loads(line)) for line in lines)
    return {container.service: container for container in found}


def usage() -> dict[str, Usage]:
    """Return the resource usage of each running container, by service; takes two seconds.

    Raises:
        ComposeError: with the engine's message.
    """
    rows = map(json.loads, _checked("ps", "--format", "json").splitlines())
    services = {row["ID"][:SHORT_ID]: row["Service"] for row in rows}
    done = _run("docker", "stats", "--no-stream", "--format", "{{json .}}", *services)
    if done.returncode != 0:
        raise ComposeError(done.stderr.strip())
    found = map(json.loads, done.stdout.splitlines())
    return {services[row["ID"][:SHORT_ID]]: Usage.from_json(row) for row in found}


def follow(
    *arguments: str, say: Callable[[str], None], variables: Mapping[str, str] | None = None
) -> None:
    """Run a long compose command, and report each line of its output.

    Raises:
        ComposeError: with the end of its output.
    """
    output = []
    with subprocess.Popen(
        ["docker", "compose", *arguments],  # noqa: S607 - the caller's docker, wherever it is
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                output.append(line.strip())
                say(line.strip())
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise ComposeError("\n".join(output[-3:]))


def lines(*arguments: str) -> Iterator[str]:
    """Yield the lines that a compose command prints, until it ends."""
    with subprocess.Popen(
        ["docker", "compose", *arguments],  # noqa: S607
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                # The control sequence "erase line", which Compose 2.26 writes to pipes, too.
                yield line.rstrip("\n").removeprefix("\x1b[2K")
        finally:
            process.terminate()


def _checked(*arguments: str) -> str:
    done = _run("docker", "compose", *arguments)
    if done.returncode != 0:
        raise ComposeError(done.stderr.strip())
    return done.stdout


def _run(*command: str, within_s: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=within_s
    )
