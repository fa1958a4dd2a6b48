"""The version of the lab is `workload.__version__`; what cannot import it says the same."""

import re
import tomllib

import pytest

from lab.foundation.settings import ROOT
from workload import __version__

# Every place that names the version of the lab, by a pattern around it.
PLACES = {
    "docker-compose.yml": r"DD_VERSION:-([0-9.]+)",
    "Dockerfile": r"ARG VERSION=([0-9.]+)",
    ".env.example": r"DD_VERSION=([0-9.]+)",
    "k8s/base/kustomization.yaml": r"DD_VERSION=([0-9.]+)",
    "k8s/base/seed.yaml": r"image: credit-lab:([0-9.]+)",
    "k8s/base/postgres.yaml": r"image: credit-lab:([0-9.]+)",
    "k8s/base/services/template/deployment.yaml": r"image: credit-lab-workload:([0-9.]+)",
    "docs/kubernetes.md": r"--tag credit-lab[a-z-]*:([0-9.]+)",
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_names_the_version(place: str) -> None:
    found = re.findall(PLACES[place], (ROOT / place).read_text(encoding="utf-8"))
    assert found
    assert set(found) == {__version__}


def test_the_project_has_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_no_other_module_writes_it_down() -> None:
    folders = ("lab", "workload")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if f'"{__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert found == ["workload/__init__.py"]
