"""Small parts of the foundation at their bounds: waiting, times, outcomes, names, CPU shares, state files."""

import os
import stat
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lab.foundation import clock, statefile
from lab.foundation.addresses import reachable, with_own_addresses
from lab.foundation.errors import DatabaseError, DatabaseUnreachableError, LabError
from lab.foundation.lock import LockedError, held
from lab.foundation.outcome import Outcome
from lab.foundation.paths import PACKAGES, Paths
from lab.foundation.plural import plural
from lab.foundation.processors import Shares, between, machine
from lab.foundation.readiness import NotReadyError, await_moment, await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.foundation.statefile import DamagedError
from lab.foundation.suggestions import unknown
from lab.foundation.timestamps import moment, ms, nanoseconds

AT = datetime(2026, 11, 28, 10, 0, 0, 123_456, tzinfo=UTC)
AT_NS = 1_795_860_000_123_456_000


@pytest.fixture
def time_of(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds on a clock that only sleeping moves, and the pauses."""
    now = [100.0]
    monkeypatch.setattr("lab.foundation.readiness.time.monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds
        now.append(seconds)

    monkeypatch.setattr("lab.foundation.readiness.time.sleep", sleep)
    return now


def test_a_wait_probes_until_its_deadline_has_passed(time_of: list[float]) -> None:
    """At the deadline once more; each observed state is shown."""
    seen: list[str] = []
    with pytest.raises(NotReadyError) as late:
        await_state("it runs", lambda: "down", within_s=2, every_s=1, watch=seen.append)
    assert str(late.value) == "Waited 2 s until it runs; last seen: down"
    assert (time_of, seen) == ([103.0, 1, 1, 1], ["down"] * 4)
    await_state("it runs", lambda: None, within_s=0, watch=seen.append)
    assert len(seen) == 4


def test_a_wait_for_a_moment_shows_the_seconds_left(time_of: list[float]) -> None:
    """It returns at the moment, and gives up after twice the time: the clock was set back."""
    seen: list[str] = []
    with clock.replaced(lambda: round(time_of[0] * 10**9)):
        await_moment("the end", 101_000_000_000, watch=seen.append)
        await_moment("the end", 101_000_000_000, watch=seen.append)
    assert (seen[0], seen[-1], len(seen)) == ("1 s left", "0 s left", 10)
    begin = time_of[0]
    with clock.replaced(lambda: 0), pytest.raises(NotReadyError, match="Waited 65 s until the end"):
        await_moment("the end", 20_000_000_000, watch=seen.append)
    assert time_of[0] == pytest.approx(begin + 65, abs=0.2)


def test_times_are_exact_to_the_microsecond() -> None:
    """A time without a zone is UTC; nanoseconds below a microsecond are cut."""
    assert (moment(AT_NS + 999), nanoseconds(AT)) == (AT, AT_NS)
    assert nanoseconds(AT.replace(tzinfo=None)) == AT_NS
    assert nanoseconds(AT.astimezone(timezone(timedelta(hours=-3)))) == AT_NS
    assert (ms(1_234_567), ms(0)) == (1.235, 0.0)
    with clock.replaced(lambda: AT_NS):
        assert (clock.now(), clock.now_s(), clock.today()) == (
            AT,
            AT_NS / 10**9,
            date(2026, 11, 28),
        )
    assert clock.now_ns() != AT_NS


@pytest.mark.parametrize(
    ("outcomes", "worst", "ok", "status"),
    [
        ([Outcome.OK], Outcome.OK, True, 0), ([], Outcome.UNKNOWN, None, 2),
        ([Outcome.OK, Outcome.UNKNOWN], Outcome.UNKNOWN, None, 2),
        ([Outcome.FAILED, Outcome.UNKNOWN, Outcome.OK], Outcome.FAILED, False, 1),
    ],
)  # fmt: skip
def test_the_worst_outcome_counts(
    outcomes: list[Outcome], worst: Outcome, ok: bool | None, status: int
) -> None:
    """A check without data is unknown, and unknown is never ok."""
    found = Outcome.worst(outcomes)
    assert (found, found.ok, found.exit_status) == (worst, ok, status)
    assert Outcome.of(ok) is worst


def test_at_most_forty_known_names_are_listed() -> None:
    names = [f"n{number:02}" for number in range(41)]
    assert unknown("service", "zzz", names[:40]) == (
        f'There is no service "zzz".\nServices: {", ".join(names[:40])}.'
    )
    assert unknown("service", "n4O", names) == (
        f'There is no service "n4O"; did you mean n40?\nServices: {", ".join(names[:40])} and 1 more.'
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "1 row"),
        (0, "0 rows"),
        (2, "2 rows"),
        (1.4, "1 row"),
        (0.6, "1 row"),
        (1_234.5, "1,234 rows"),
    ],
)
def test_a_number_has_its_noun(number: float, words: str) -> None:
    assert plural(number, "row") == words


def test_shares_of_the_processors() -> None:
    """Waiting for I/O is no work; a counter that decreased counts as no time; guests are part of `user`."""
    before = {
        "user": 10.0,
        "system": 5.0,
        "idle": 100.0,
        "iowait": 10.0,
        "steal": 1.0,
        "guest": 9.0,
    }
    after = {
        "user": 13.0,
        "system": 6.0,
        "idle": 104.0,
        "iowait": 11.0,
        "steal": 2.0,
        "guest": 12.0,
    }
    assert between(before, after) == Shares(busy=0.4, stolen=0.1)
    assert between(after, before) == Shares(busy=0.0, stolen=0.0)
    assert between({"user": 0.0, "idle": 0.0}, {"user": 1.0, "idle": 3.0}) == Shares(
        busy=0.25, stolen=0.0
    )
    assert " processors, " in machine()


def test_addresses_for_a_browser_of_this_machine() -> None:
    settings = LabSettings(
        _env_file=None,
        bind_address="0.0.0.0",  # noqa: S104
        console_port=9,
        grafana_url="http://g",
    )
    text = "http://127.0.0.1:8088/traces http://127.0.0.1:3001/d/x"
    assert with_own_addresses(text, settings) == "http://127.0.0.1:9/traces http://g/d/x"
    alone = settings.model_copy(update={"grafana_url": None, "console_port": 8088})
    assert with_own_addresses(text, alone) == text
    assert [reachable(each) for each in ("::", "10.0.0.1")] == ["::1", "10.0.0.1"]


def test_an_error_has_its_default_message_and_state() -> None:
    assert str(DatabaseUnreachableError()) == "No PostgreSQL answers; check `./creditlab status`."
    assert (str(LabError("own")), LabError.exit_status) == ("own", 2)
    assert (DatabaseError("x", sqlstate="55P03").sqlstate, DatabaseError("x").sqlstate) == (
        "55P03",
        None,
    )


def test_paths_of_a_lab(tmp_path: Path) -> None:
    """Below its state directory; fetched packages are the clone's."""
    paths = Paths.of(LabSettings(_env_file=None, lab_state_dir=tmp_path))
    found = {
        name: str(getattr(paths, name).relative_to(tmp_path))
        for name in ("postgres", "prometheus", "alertmanager", "store", "name_key", "agent", "check",
                     "check_python", "drills", "exams", "alerts", "saved", "mcp_token", "logs", "run",
                     "scratch", "up_options", "docker_up_options", "docker_targets", "lock")
    }  # fmt: skip
    assert found == {
        "postgres": "postgres", "prometheus": "prometheus", "alertmanager": "alertmanager",
        "store": "store/store.sqlite", "name_key": "store/names.key", "agent": "datadog", "check": "check",
        "check_python": "check/venv/bin/python", "drills": "drills", "exams": "exam", "alerts": "alerts",
        "saved": "saved.json", "mcp_token": "mcp.token", "logs": "logs", "run": "run", "scratch": "tmp",
        "up_options": "state.json", "docker_up_options": "docker.json", "docker_targets": "docker-targets",
        "lock": "lock",
    }  # fmt: skip
    assert paths.log("console") == tmp_path / "logs" / "console.log"
    assert PACKAGES == ROOT / ".lab" / "packages"


def test_the_holder_of_the_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its command and process; the lock file has only the last holder, and a directory is set aside."""
    monkeypatch.setattr("sys.argv", ["creditlab", "up", "--docker"])
    (tmp_path / "lock").mkdir()
    for _ in range(2):
        with held(tmp_path / "lock"):
            holder = f"`creditlab up --docker` (process {os.getpid()})"
            assert (tmp_path / "lock").read_text() == holder
            with pytest.raises(LockedError) as locked, held(tmp_path / "lock"):
                pass
            assert str(locked.value) == (
                f"{holder} is changing the lab right now.\nWait until it ends, or end it; then try again."
            )
            (tmp_path / "lock").write_text("")
            with (
                pytest.raises(LockedError, match=r"^Another command is changing"),
                held(tmp_path / "lock"),
            ):
                pass
    assert (tmp_path / "lock.damaged").is_dir()


def test_permissions_of_a_state_file(tmp_path: Path) -> None:
    """Those that are requested, else those that the umask leaves; also when the file is replaced."""
    before = os.umask(0o027)
    try:
        statefile.write(tmp_path / "a", b"1", mode=0o600)
        statefile.write(tmp_path / "b", b"1")
        statefile.write(tmp_path / "b", b"2", mode=0o644)
        statefile.append(tmp_path / "c", b"1")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abc"]
    assert modes == [0o600, 0o644, 0o640]
    assert (tmp_path / "b").read_bytes() == b"2"
    statefile.write_json(tmp_path / "d", {"a": [1]})
    assert (tmp_path / "d").read_text() == '{\n  "a": [\n    1\n  ]\n}\n'


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    """An incomplete last line is ended first; an empty file has none."""
    log = tmp_path / "log"
    log.write_bytes(b"")
    statefile.append(log, b"one")
    statefile.append(log, b"two")
    log.write_bytes(log.read_bytes() + b"torn")
    statefile.append(log, b"three")
    assert log.read_bytes() == b"one\ntwo\ntorn\nthree\n"


def test_a_state_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert statefile.read_bytes(path, at_most=5) == b"12345"
    with pytest.raises(DamagedError, match="it is larger than 4 bytes"):
        statefile.read_bytes(path, at_most=4)
    path.write_bytes(b"{}")
    with pytest.raises(DamagedError) as damaged:
        statefile.read(path, int)
    assert (damaged.value.path, str(damaged.value)) == (
        path,
        f"{path} is damaged: {damaged.value.why}",
    )
    statefile.remove(path)
    statefile.remove(path)
    assert statefile.read(path, int) is None


def test_only_files_of_the_lab_are_set_aside(tmp_path: Path) -> None:
    """A file above its directory is an error with that file's path."""
    (tmp_path / "file").write_text("")
    statefile.require_directories_above(tmp_path / "none" / "x")
    with pytest.raises(NotADirectoryError) as above:
        statefile.require_directories_above(tmp_path / "file" / "x" / "y")
    assert above.value.filename == str(tmp_path / "file")


def test_what_is_discarded_is_gone(tmp_path: Path) -> None:
    """A directory with its contents; of a link to a directory only the link."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree" / "below").mkdir(parents=True)
    for name in ("link", "tree", "none"):
        statefile.discard(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept", "x"]
