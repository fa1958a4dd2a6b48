"""Alertmanager of a package, relocated; `up` without one."""

import json
import sys
from pathlib import Path

import pytest

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import alertmanager, binaries, starting
from lab.stack.native.binaries import Program
from lab.stack.native.supervision import Supervisor
from lab.stack.prometheus_configuration import write_targets
from lab.stack.up_options import UpOptions
from tests.fix_reporter import RecordedReporter

FIXED = b"/usr/share/prometheus/alertmanager"
PROGRAM = b"""#!%s
# %s
print("alertmanager, version 0.28.1+ds (branch: debian/sid)")
"""


def package(root: Path, *, path: bytes = FIXED) -> Path:
    """Return an unpacked package; its program is a script that has the path of the templates in a comment."""
    program = root / "usr" / "bin" / "prometheus-alertmanager"
    program.parent.mkdir(parents=True)
    program.write_bytes(PROGRAM % (sys.executable.encode(), path))
    program.chmod(0o755)
    (program.parent / "amtool").write_bytes(b"")
    templates = root / FIXED.decode().lstrip("/")
    templates.mkdir(parents=True)
    (templates / "default.tmpl").write_text("{{ define }}")
    return root


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Alertmanager; the directory of its relocated one."""
    monkeypatch.setattr(alertmanager, "RELOCATED", tmp_path / "alertmanager")
    monkeypatch.setattr("shutil.which", lambda _: None)
    return tmp_path / "alertmanager"


def test_a_relocated_program_has_the_same_length_and_its_templates(
    machine: Path, tmp_path: Path
) -> None:
    assert not alertmanager.present()
    root = package(tmp_path / "root")
    alertmanager.relocate(root, machine)
    alertmanager.relocate(root, machine)  # by a second `up` at the same time
    before = (root / "usr/bin/prometheus-alertmanager").read_bytes()
    after = (machine / "alertmanager").read_bytes()
    assert len(after) == len(before)
    [place] = [line[2:].decode() for line in after.splitlines() if line.startswith(b"# ")]
    program = alertmanager.found()
    assert program is not None
    assert program.version == "0.28.1"
    directory = tmp_path / "state"
    directory.mkdir()
    for _ in range(2):
        alertmanager.provide_templates(program, directory)
    assert (directory / place / "default.tmpl").is_file()


def test_another_program_is_refused_with_what_to_do(machine: Path, tmp_path: Path) -> None:
    root = package(tmp_path / "root", path=b"/elsewhere")
    with pytest.raises(LabError, match=r"Install Alertmanager 0\.26 or newer"):
        alertmanager.relocate(root, machine)
    assert not alertmanager.present()


def test_the_first_release_that_runs_is_used(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest may need a newer C library: its program does not start."""

    def fetched(release: str, _: object) -> Path:
        root = package(tmp_path / release)
        if release == "forky":
            (root / "usr/bin/prometheus-alertmanager").write_bytes(b"#!/bin/false\n" + FIXED)
        return root

    monkeypatch.setattr(alertmanager, "fetch_alertmanager", fetched)
    assert alertmanager.find().version == "0.28.1"
    assert (machine / "templates" / "default.tmpl").is_file()


def test_prometheus_sends_alerts_only_where_an_alertmanager_runs(tmp_path: Path) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path, alertmanager_port=19093)
    for runs, expected in ((True, [["127.0.0.1:19093"]]), (False, [])):
        write_targets(tmp_path, settings, {}, alertmanager=runs)
        groups = json.loads((tmp_path / "targets" / "alertmanager.json").read_text())
        assert [group["targets"] for group in groups] == expected


def test_up_starts_without_one_that_cannot_be_fetched_and_reports_it(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Path:
        raise LabError("Could not fetch prometheus-alertmanager of Debian forky:\nno network")

    monkeypatch.setattr(alertmanager, "fetch_alertmanager", refused)
    for name in ("postgres_bin", "exporter", "prometheus"):
        found = Program(path=tmp_path / name, version="1.0")
        monkeypatch.setattr(binaries, name, lambda _, found=found: found)
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path, datadog_agent="embedded")
    reporter = RecordedReporter()
    start = starting._Start(
        settings, UpOptions(), Supervisor(Paths.of(settings)), reporter,
        lambda *_: pytest.fail("nothing is seeded"), required=set(),
    )  # fmt: skip
    start._find_programs()
    assert "no Alertmanager: Could not fetch prometheus-alertmanager" in reporter.ends[0]
    assert "alertmanager" not in {component.name for component in start._selection()}
    assert not machine.exists()
