"""Debian packages without root: which archives of the machine are asked, and what is said when none is."""

import shutil
from pathlib import Path

import pytest

from lab.foundation import debian
from lab.foundation.debian import Archive, fetch, machine_archives
from lab.foundation.errors import LabError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def etc_apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def found(etc_apt: Path) -> list[Archive]:
    return list(machine_archives(etc_apt))


def test_one_line_sources_are_read(etc_apt: Path) -> None:
    """The mirror and its keyring come from sources.list; security, updates and comments do not."""
    (etc_apt / "sources.list").write_text(
        "# deb http://comment.example/debian bookworm main\n"
        f"deb [arch=amd64 signed-by={KEYRING}] http://mirror.example/debian bookworm main contrib\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
        "deb http://mirror.example/debian bookworm-updates main\n"
        "deb cdrom:[Debian 12]/ bookworm main\n"
    )
    assert found(etc_apt) == [Archive("http://mirror.example/debian", "bookworm", KEYRING)]


def test_deb822_sources_are_read(etc_apt: Path) -> None:
    """Stanzas are read whatever the case of their fields; disabled ones are not."""
    (etc_apt / "sources.list.d" / "debian.sources").write_text(
        "# the machine's own\n"
        "Types: deb deb-src\nURIs: http://mirror.example/debian\n"
        f"Suites: trixie trixie-updates\nComponents: main\nsigned-by: {KEYRING}\n"
        "\n"
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n"
    )
    assert found(etc_apt) == [Archive("http://mirror.example/debian", "trixie", KEYRING)]


def test_a_key_inside_a_stanza_is_kept_whole(etc_apt: Path) -> None:
    """A Signed-By that holds the key itself reaches our own source unchanged."""
    key = " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    (etc_apt / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
        f"Signed-By:\n{key}\n"
    )
    [archive] = found(etc_apt)
    assert f"Signed-By: \n{key}\n" in archive.stanza("trixie")
    assert "Suites: trixie\n" in archive.stanza("trixie")


def test_debians_own_archive_is_asked_before_third_parties(etc_apt: Path) -> None:
    """A third party may name its suite bookworm too; it is asked last. Other suites are not asked."""
    (etc_apt / "sources.list.d" / "a-third-party.list").write_text(
        "deb http://third.example bookworm main\n"
        "deb http://other.example/apt cloud-sdk-bookworm main\n"
        "deb http://stable.example/linux/debian bookworm stable\n"
    )
    (etc_apt / "sources.list").write_text("deb http://mirror.example/debian/ bookworm main\n")
    assert [archive.uri for archive in found(etc_apt)] == [
        "http://mirror.example/debian/",
        "http://third.example",
    ]


def test_a_file_that_apt_would_not_read_is_not_read(etc_apt: Path) -> None:
    """Editors and packages leave copies beside the sources."""
    (etc_apt / "sources.list.d" / "debian.list.save").write_text(
        "deb http://mirror.example/debian bookworm main\n"
    )
    assert found(etc_apt) == []


def test_what_was_fetched_before_is_not_fetched_again(tmp_path: Path) -> None:
    """A directory that exists is complete, because it appears only when it is."""
    directory = tmp_path / "packages"
    directory.mkdir()
    reported: list[str] = []
    assert fetch(("x",), release="trixie", into=directory, say=reported.append) == directory
    assert reported == []


def test_without_a_debian_archive_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is no Debian the way out is its own package manager."""
    monkeypatch.setattr(debian, "machine_archives", lambda: iter(()))
    with pytest.raises(LabError, match="lacks promtool, and has no Debian archive") as raised:
        fetch(("promtool",), release="trixie", into=tmp_path / "packages" / "new")
    assert "Install it with your system's package manager" in str(raised.value)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get")
def test_a_mirror_that_does_not_answer_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which mirror failed and how; no half-made directory stays behind."""
    nowhere = Archive("http://127.0.0.1:1/debian", "bookworm", KEYRING)
    monkeypatch.setattr(debian, "machine_archives", lambda: iter([nowhere]))
    packages = tmp_path / "packages"
    with pytest.raises(LabError, match="Could not fetch promtool of Debian trixie"):
        fetch(("promtool",), release="trixie", into=packages / "new")
    assert list(packages.iterdir()) == []
