"""Who holds a port: the process that listens on it, and no other that has to do with its number."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS
from lab.stack.ports import PortTakenError, require_free
from tests.fix_postgres import free_port, settings_for

# Listens, and says so; with "accepted" it keeps the connection of a client instead, and listens no more.
PROGRAM = """
import socket, sys
port, what = int(sys.argv[1]), sys.argv[2]
listener = socket.create_server(("127.0.0.1", port))
print("listening", flush=True)
if what == "accepted":
    connection, _ = listener.accept()
    listener.close()
    print("accepted", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(port: int, what: str = "listens") -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "listening\n"
        try:
            yield process
        finally:
            process.stdin.close()


def complaint(port: int, tmp_path: Path) -> str:
    defaults: LabSettings = settings_for(port=free_port(), database="none")
    settings = defaults.model_copy(update={"lab_state_dir": tmp_path, "exporter_port": port})
    with pytest.raises(PortTakenError) as raised:
        require_free([COMPONENTS["postgres_exporter"]], settings)
    return str(raised.value)


def test_the_holder_is_the_process_that_listens_there(tmp_path: Path) -> None:
    """Name, process id and user are its own, although other processes listen elsewhere."""
    port = free_port()
    with holder(free_port()), holder(port) as listens, holder(free_port()):
        reported = complaint(port, tmp_path)
        known = psutil.Process(listens.pid)
        assert (
            f"is in use by {known.name()} (process {listens.pid}, user {known.username()})"
            in reported
        )
    assert "set another with EXPORTER_PORT" in reported


def test_a_connection_to_the_port_does_not_hold_it(tmp_path: Path) -> None:
    """Processes with an accepted connection at that port's number are older and younger than the holder."""

    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(holder(port, "accepted"))
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert first.stdout
        assert first.stdout.readline() == "accepted\n"
        listens = stack.enter_context(holder(port))
        reported = complaint(port, tmp_path)
        assert f"(process {listens.pid}, " in reported
        assert str(first.pid) not in reported.replace(str(port), "")
        assert f"(process {os.getpid()}, " not in reported


def test_another_credit_lab_is_recognized_with_its_folder_and_how_to_stop_it(
    tmp_path: Path,
) -> None:
    """By a module of it that a process on one of the ports runs; with its state directory."""
    clone, port = tmp_path / "another clone", free_port()
    clone.mkdir()
    (clone / "creditlab").touch()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), "listens", "-m", "lab.console"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=clone,
        env={**os.environ, "LAB_STATE_DIR": "/srv/state"},
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        text = complaint(port, tmp_path)
        process.communicate()
    first, second, *_ = text.splitlines()
    assert first == f"Another Credit Lab runs in {clone}, on the ports of this one."
    assert second == f"To stop it: cd '{clone}' && LAB_STATE_DIR=/srv/state ./creditlab down"
    assert f"Port {port}, which postgres_exporter needs, is in use by" in text
