"""The files for a public forge call what the project itself calls."""

from typing import Any

import pytest
import yaml

from lab.cli.test import CHECKS
from lab.foundation.settings import ROOT
from tests.fix_browser import PICTURES

WORKFLOWS = ROOT / ".github" / "workflows"


def load(name: str) -> Any:
    return yaml.safe_load((WORKFLOWS / name).read_text())


def commands(name: str) -> list[str]:
    return [
        step["run"] for job in load(name)["jobs"].values() for step in job["steps"] if "run" in step
    ]


def test_every_push_runs_the_projects_own_tests() -> None:
    assert ".ci/run" in commands("ci.yml")
    # YAML reads the key `on` as true.
    assert load("ci.yml")[True].keys() == {"push", "pull_request"}


def test_the_real_images_run_weekly_and_by_hand_without_an_account() -> None:
    workflow = load("images.yml")
    assert workflow[True].keys() == {"workflow_dispatch", "schedule"}
    [job] = workflow["jobs"].values()
    assert job["env"] == {"DD_API_KEY": ""}
    assert any("./creditlab test --images real" in command for command in commands("images.yml"))


def test_the_real_images_leave_their_logs_and_pictures() -> None:
    """Where the tests keep them, also when a test fails."""
    steps = load("images.yml")["jobs"]["images"]["steps"]
    [kept] = [step for step in steps if str(PICTURES.relative_to(ROOT)) in step.get("run", "")]
    [uploaded] = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert kept["if"] == uploaded["if"] == "always()"
    assert kept["run"].split()[-1].rstrip("/") == uploaded["with"]["path"]


@pytest.mark.parametrize("name", ["ci.yml", "images.yml"])
def test_workflows_may_read_and_no_more(name: str) -> None:
    assert load(name)["permissions"] == {"contents": "read"}


def test_the_hooks_before_a_commit_run_the_same_checks() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"] for hook in local["hooks"]}
    *modules, layers = (" ".join(check).removesuffix(" --check") for check in CHECKS)
    python = ".venv/bin/python -P -m"
    assert entries == {f".venv/bin/{layers}", *(f"{python} {module}" for module in modules)}
