"""The images that the lab in containers is tested with: stand-ins, or those that .env.example names.

Stand-ins have names of their own, which docker-compose.yml gets by its variables. Their base is made once,
from Debian packages, and kept in .lab/packages as fetched programs are.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lab.foundation.debian import fetch, machine_archives
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import ROOT
from lab.stack.native import alertmanager, binaries
from tests.standins.engine import Client

HERE = Path(__file__).parent
BASE = "credit-lab-standin/base:bookworm"
BASE_PACKAGES = "postgresql-15,wget,ca-certificates,python3-venv"
TARGETS = {
    "PYTHON_IMAGE": "python",
    "POSTGRES_IMAGE": "postgres",
    "DATADOG_AGENT_IMAGE": "agent",
    "EXPORTER_IMAGE": "exporter",
    "PROMETHEUS_IMAGE": "prometheus",
    "ALERTMANAGER_IMAGE": "alertmanager",
    "GRAFANA_IMAGE": "grafana",
}
# What an installation inside the build needs to know of this machine's network.
HOST_FILES = ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")


class RegistryError(Exception):
    """A registry gave no image; the message is the engine's own."""


def pull(docker: Client) -> Mapping[str, str]:
    """Pull the images of .env.example.

    Returns:
        The image of each variable of docker-compose.yml.

    Raises:
        RegistryError: when one cannot be pulled.
    """
    knobs = re.findall(r"^# (\w+_IMAGE)=(\S+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    images = dict(knobs)
    assert images.keys() == TARGETS.keys()
    for image in images.values():
        done = docker.run("pull", "--quiet", image)
        if done.returncode:
            raise RegistryError(f"{image}: {done.stderr.strip()}")
    return images


def build(docker: Client, directory: Path) -> Mapping[str, str]:
    """Build every stand-in.

    Args:
        docker: the engine's client.
        directory: for the build context.

    Returns:
        The image of each variable of docker-compose.yml.

    Raises:
        LabError: when a package cannot be had.
    """
    _context(directory)
    docker.out("import", str(_base()), BASE)
    images = {name: f"credit-lab-standin/{target}:test" for name, target in TARGETS.items()}
    for name, target in TARGETS.items():
        arguments = (
            "--quiet",
            "--network",
            "host",
            "--build-arg",
            f"BASE={BASE}",
            "--target",
            target,
        )
        docker.out("build", *arguments, "--tag", images[name], str(directory))
    return images


def _context(directory: Path) -> None:
    shutil.copytree(HERE, directory, ignore=shutil.ignore_patterns("__pycache__"))
    host = directory / "host"
    for name in HOST_FILES:
        source = Path("/") / name
        if source.is_file():
            (host / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, host / name)
    shutil.copy(binaries.prometheus().path, host / "prometheus")
    _alertmanager(host)
    shutil.copy(binaries.exporter().path, host / "prometheus-postgres-exporter")


def _alertmanager(host: Path) -> None:
    root = alertmanager.fetch_alertmanager("trixie") / "usr"
    shutil.copy(root / "bin" / "prometheus-alertmanager", host / "alertmanager")
    shutil.copytree(root / "share" / "prometheus" / "alertmanager", host / "templates")


def _base() -> Path:
    archive = PACKAGES / "standin-base.tar"
    if archive.is_file():
        return archive
    tool = fetch(("mmdebstrap",), release="bookworm", into=PACKAGES / "mmdebstrap", libraries=True)
    partial = archive.with_suffix(".partial")
    subprocess.run(
        [
            str(tool / "usr/bin/mmdebstrap"),
            "--quiet",
            "--variant=minbase",
            "--format=tar",
            f"--include={BASE_PACKAGES}",
            # Nothing here survives a crash anyway: waiting for the disk takes most of the time.
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "locale")),
            '--aptopt=APT::Install-Recommends "false"',
            "bookworm",
            str(partial),
            next(machine_archives()).uri,
        ],
        check=True,
        # Its helper for excluded paths lies beside it.
        env={"PATH": f"{tool / 'usr/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return partial.rename(archive)
