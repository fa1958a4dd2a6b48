"""The cluster's process: who it runs as, how it gets to its files, and what it leaves of the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, free_port, running, settings_for

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to change from")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory below one that only the caller may enter, as a clone in /root is."""
    tmp_path.chmod(0o700)
    directory = tmp_path / "it's a clone, größer & $HOME"
    directory.mkdir(mode=0o700)
    return directory


def cluster_in(state: Path, programs: Path, libraries: Path | None = None) -> Cluster:
    return Cluster(
        settings=settings_for(port=free_port(), database="postgres"),
        state=state,
        bin=programs,
        libraries=libraries,
        options=NOT_DURABLE,
    )


@as_root
def test_the_server_is_the_process_that_was_started_and_not_root(
    private: Path, postgres: Program
) -> None:
    """Supervision by process id works, and no process of the server belongs to root."""
    cluster = cluster_in(private, postgres.path.parent)
    with running(cluster) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "Name:\tpostgres\n" in status
        [users] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
        [groups] = [line.split()[1:] for line in status.splitlines() if line.startswith("Groups:")]
    assert "0" not in users + groups
    assert cluster.data.stat().st_uid == int(users[0])


@as_root
def test_the_way_to_a_private_directory_is_seen_by_the_server_only(
    private: Path, postgres: Program
) -> None:
    mounts = Path("/proc/self/mountinfo")
    assert "größer" not in mounts.read_text()
    with running(cluster_in(private, postgres.path.parent)) as server:
        assert "größer" not in mounts.read_text()
        assert "größer" in Path(f"/proc/{server.pid}/mountinfo").read_text()
    assert "größer" not in mounts.read_text()


@as_root
def test_unpacked_programs_in_a_private_directory_serve_too(
    private: Path, postgres: Program
) -> None:
    """Packages that were fetched into a clone below /root: programs, share and libraries lie there."""
    unpacked = private / "usr"
    programs = unpacked / "lib" / "postgresql" / "15" / "bin"
    programs.mkdir(parents=True)
    (unpacked / "lib" / "some-linux-gnu").mkdir()
    for name in ("postgres", "initdb", "psql", "pg_isready"):
        shutil.copy(postgres.beside(name), programs)
    installed = postgres.path.parent.parent
    shutil.copytree(
        installed / "lib",
        programs.parent / "lib",
        ignore=shutil.ignore_patterns("bitcode", "llvmjit*"),
    )
    share = installed.parents[2] / "share" / "postgresql" / "15"
    if not share.is_dir():
        pytest.skip("this PostgreSQL is not laid out as Debian's packages are")
    shutil.copytree(share, unpacked / "share" / "postgresql" / "15")
    cluster = cluster_in(private / "state", programs, unpacked / "lib" / "some-linux-gnu")
    with running(cluster), connect(dsn(cluster.settings, Role.SUPERUSER)) as connection:
        assert rows(connection, "SELECT count(*) FROM pg_timezone_names WHERE name = 'UTC'")
        rows(connection, "CREATE EXTENSION pg_stat_statements")


@as_root
def test_without_the_right_to_mount_the_error_says_where_to_move_the_clone(
    private: Path, postgres: Program
) -> None:
    """A plain container's root may not make mounts; the lab says so before anything is made."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is needed to take the right away")
    program = (
        "import sys; from pathlib import Path\n"
        "from lab.foundation.settings import LabSettings; from lab.stack.native.cluster import Cluster\n"
        "from lab.foundation.errors import LabError\n"
        "state, programs = map(Path, sys.argv[1:])\n"
        "try: Cluster(settings=LabSettings(), state=state, bin=programs).create()\n"
        "except LabError as error: sys.exit(str(error))"
    )
    drop = [setpriv, "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    reported = subprocess.run(
        [*drop, sys.executable, "-c", program, str(private), str(postgres.path.parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 1
    assert "Move the clone" in reported.stderr
    assert "/srv" in reported.stderr
    assert not (private / "data").exists()


def test_a_state_directory_that_cannot_be_made_is_one_clear_error(postgres: Program) -> None:
    cluster = cluster_in(Path("/proc/nowhere/postgres"), postgres.path.parent)
    with pytest.raises(LabError, match="Could not prepare /proc/nowhere/postgres"):
        cluster.create()
