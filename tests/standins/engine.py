"""A Docker engine and Compose for tests: the machine's own when it answers, else one of our own as root.

Our own is Debian's docker.io, unpacked and not installed, with its data, its socket and its process in a
directory of the test's. It leaves the machine's packet filter and routing alone: containers of one
network reach each other, published ports are carried by its proxy, and builds use the host's network.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab.foundation.debian import fetch
from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES
from lab.foundation.readiness import await_state

START_S = 150
STOP_S = 150


@dataclass(frozen=True, kw_only=True)
class Client:
    """A docker or docker compose command line, and the environment it runs in."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it; its output is returned, whatever its end."""
        return subprocess.run(
            [*self.argv, *arguments],
            cwd=self.directory,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def out(self, *arguments: str, **variables: str) -> str:
        """Run it and return what it printed; its failure is the test's."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that answers."""

    docker: Client
    compose: Client


@cache
def compose_command() -> Client | None:
    """Return Compose, which needs no engine to check a file; None when it is not to be had."""
    if shutil.which("docker"):
        own = Client(argv=("docker", "compose"))
        if own.run("version").returncode == 0:
            return own
    try:
        root = fetch(("docker-compose",), release="trixie", into=PACKAGES / "docker-compose")
    except LabError:
        return None
    return Client(argv=(str(root / "usr/bin/docker-compose"),))


@contextmanager
def engine(directory: Path) -> Iterator[Engine | None]:
    """Give an engine for the length of a `with` block; None when none can be had here.

    Args:
        directory: where one of our own keeps everything; to be removed by the caller.
    """
    compose = compose_command()
    if compose and _answers(Client(argv=("docker",))):
        yield Engine(docker=Client(argv=("docker",)), compose=compose)
    elif compose and os.geteuid() == 0 and (root := _fetched()):
        with _started(root, directory, compose) as started:
            yield started
    else:
        yield None


def _answers(docker: Client) -> bool:
    return bool(shutil.which(docker.argv[0])) and docker.run("version").returncode == 0


def _fetched() -> Path | None:
    packages = ("docker.io", "containerd", "runc", "tini", "iptables")
    with suppress(LabError):
        return fetch(packages, release="bookworm", into=PACKAGES / "docker", libraries=True)
    return None


@contextmanager
def _started(root: Path, directory: Path, compose: Client) -> Iterator[Engine]:
    programs = directory / "bin"
    programs.mkdir(parents=True)
    # Each container's own resolver needs it. Debian makes these two names when it installs the package,
    # which is only unpacked here.
    for name in ("iptables", "ip6tables"):
        (programs / name).symlink_to(root / "usr/sbin" / f"{name}-nft")
    [libraries] = (root / "usr/lib").glob("*-linux-gnu*")
    path = (programs, root / "usr/sbin", root / "usr/bin", os.environ["PATH"])
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(map(str, path)),
        "LD_LIBRARY_PATH": str(libraries),
        "XTABLES_LIBDIR": str(libraries / "xtables"),
        "DOCKER_HOST": f"unix://{directory}/docker.sock",
        "DOCKER_CONFIG": str(directory / "config"),
        # The engine's own: Compose's needs a newer one for some of what it does.
        "DOCKER_BUILDKIT": "0",
    }
    docker = Client(argv=(str(root / "usr/bin/docker"),), environment=environment)
    if compose.argv[1:] != ("compose",):
        plugins = directory / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(compose.argv[0])
    daemon = [
        *(str(root / "usr/sbin/dockerd"), "--host", environment["DOCKER_HOST"]),
        *("--data-root", str(directory / "data"), "--exec-root", str(directory / "exec")),
        *("--pidfile", str(directory / "pid"), "--bridge=none"),
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]
    with (directory / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(daemon, env=environment, stdout=log, stderr=log)
    try:
        await_state("dockerd answers", lambda: _seen(docker, process, directory), within_s=START_S)
        both = Client(argv=(*docker.argv, "compose"), environment=environment)
        yield Engine(docker=docker, compose=both)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_S)
        # The one mount that dockerd leaves; with it the directory could not be removed.
        namespace = directory / "exec" / "netns" / "default"
        subprocess.run(["/bin/umount", str(namespace)], check=False)
        shutil.rmtree(directory / "data")


def _seen(docker: Client, process: subprocess.Popen[bytes], directory: Path) -> str | None:
    if process.poll() is not None:
        tail = (directory / "dockerd.log").read_text(errors="replace")[-2000:]
        raise AssertionError(f"dockerd ended with status {process.returncode}:\n{tail}")
    reported = docker.run("version", "--format", "{{json .Server}}")
    return None if reported.returncode == 0 and json.loads(reported.stdout) else reported.stderr
