"""`up` from nothing: supervisord, PostgreSQL with its schema, the other components; a failure is undone."""

from pathlib import Path
from typing import cast

import pytest
from supervisor.states import ProcessStates

from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS
from lab.stack.native import starting
from lab.stack.up_options import UpOptions
from tests.fix_reporter import RecordedReporter
from tests.fix_starting import KNOWN, SELECTED, WANTED, Begin, Played, ends, kept


class Server:
    """A cluster: its steps; the server itself is the test's own PostgreSQL."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.steps: list[str] = []

    def create(self) -> None:
        self.steps.append("create")

    def initialise(self) -> None:
        self.steps.append("initialise")

    def is_ready(self) -> bool:
        self.steps.append("ready?")
        return True


@pytest.mark.parametrize("is_new", [True, False])
def test_a_lab_is_started_from_nothing(
    begin: Begin,
    startable: LabSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    is_new: bool,
) -> None:
    """supervisord with the settings in its environment, PostgreSQL with its schema, then the others."""
    server = Server(tmp_path / "data")
    if not is_new:
        server.data.mkdir()
    monkeypatch.setattr(starting, "cluster", lambda _: (server, None))
    monkeypatch.setattr(starting._Start, "_find_programs", lambda _: None)
    played = Played(**dict.fromkeys(COMPONENTS, ProcessStates.STOPPED))
    start = begin(played)
    assert start.from_nothing(KNOWN).started == WANTED
    assert played.started == [f"supervisord of {len(COMPONENTS)}", *WANTED]
    assert played.variables["RISK_PORT"] == str(startable.risk_port)
    assert "PATH" in played.variables
    assert server.steps == ["create", "ready?", "initialise"]
    assert ends(start) == ["postgres", "data", *WANTED[1:]]
    reporter = cast("RecordedReporter", start.reporter)
    assert ("created the cluster, its roles and schema" in reporter.ends[0]) is is_new
    options = kept(startable)
    assert options is not None
    assert (options.services, options.prepared) == (SELECTED, True)


def test_a_failed_first_start_is_undone(
    begin: Begin, startable: LabSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Everything is stopped, and the options are those of before, for a start from nothing."""
    stopped: list[object] = []
    monkeypatch.setattr(starting, "cluster", lambda _: (Server(tmp_path / "data"), None))
    monkeypatch.setattr(starting._Start, "_find_programs", lambda _: None)
    monkeypatch.setattr(starting, "stop", lambda *arguments: stopped.append(arguments[1]))
    played = Played()
    with pytest.raises(LabError, match="the seed is refused"):
        begin(played, fails=True).from_nothing(KNOWN)
    assert stopped == [played]
    assert kept(startable) == UpOptions(services=("servicing",), load=7.0)
