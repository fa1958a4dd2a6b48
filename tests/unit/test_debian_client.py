"""The client of Debian's archives, with stand-ins for apt and dpkg that record how they are called."""

import os
from pathlib import Path

import pytest

from lab.foundation import debian
from lab.foundation.debian import Archive, fetch
from lab.foundation.errors import LabError

# Each call is a line of `calls`; a package unpacks to one program and one library.
APT_GET = """
cat "$APT_CONFIG" > {log}/apt.conf
[ "$3" = download ] && for name in "${{@:4}}"; do touch "$name.deb"; done
if [ "$3" = update ]; then
    cat lab.sources >> {log}/sources
    if [ -e {log}/refused ] && grep -q "Suites: trixie" lab.sources && ! grep -q Signed-By lab.sources; then
        printf 'Get:1 x\\nW: one\\nE: two\\nErr: three NO_PUBKEY\\nE: four\\nend\\n'; exit 100
    fi
    if [ -e {log}/down ]; then echo "could not resolve"; exit 100; fi
fi
"""
DPKG_DEB = """
mkdir -p "$3/usr/bin" "$3/lib" "$3/usr/lib" "$3/usr/share/keyrings"
touch "$3/usr/bin/$(basename "$2" .deb)" "$3/lib/old" "$3/usr/lib/new"
touch "$3/usr/share/keyrings/debian-archive-keyring.gpg"
"""
DEPENDS = """
[[ "$*" == *promtool* ]] && printf 'p\\n  Depends: libone (>= 1)\\n  Depends: libc6\\n Depends: perl\\n'
[[ "$*" == *libone* ]] && printf 'libone\\n  Depends: libtwo:any\\n |Depends: libone\\n'
true
"""
INSTALLED = "printf 'installed libc6\\nconfig-files libone\\ninstalled perl\\n'"
CONFIG = """printf 'Acquire::http::Proxy "http://proxy";\\nDPkg::Post-Invoke "rm";\\n'"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of what the stand-ins record; they are first in the path."""
    log, programs = tmp_path / "log", tmp_path / "programs"
    log.mkdir()
    programs.mkdir()
    scripts = {
        "apt-get": APT_GET.format(log=log), "dpkg-deb": DPKG_DEB, "apt-cache": DEPENDS,
        "dpkg-query": INSTALLED, "apt-config": CONFIG,
    }  # fmt: skip
    for name, text in scripts.items():
        script = programs / name
        script.write_text(f'#!/bin/bash\necho "{name} $@" >> {log}/calls\n{text}\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    archive = Archive("http://mirror/debian", "bookworm", "")
    monkeypatch.setattr(debian, "machine_archives", lambda: iter([archive]))
    return log


def calls(log: Path, program: str) -> list[str]:
    lines = (log / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{program} ")]


def test_packages_are_fetched_with_the_libraries_that_are_missing(
    tmp_path: Path, log: Path
) -> None:
    """Those of libraries, too; what is installed, and what is no library, is left out."""
    said: list[str] = []
    into = tmp_path / "packages" / "promtool"
    found = fetch(("promtool",), release="trixie", into=into, libraries=True, say=said.append)
    assert found == into
    assert said == [
        "reading the package index of Debian trixie", "downloading promtool", "unpacking promtool",
    ]  # fmt: skip
    assert calls(log, "apt-get") == [
        "apt-get -q -y update", "apt-get -q -y download libone libtwo promtool",
    ]  # fmt: skip
    assert [line.split()[-2].rpartition("/")[2] for line in calls(log, "dpkg-deb")] == [
        "libone.deb", "libtwo.deb", "promtool.deb",
    ]  # fmt: skip
    # Older packages separate /lib; the result has one directory of libraries.
    assert sorted(path.name for path in (into / "usr" / "lib").iterdir()) == ["new", "old"]
    assert (into / "usr" / "bin" / "promtool").is_file()
    # Nothing but the result is left.
    assert [path.name for path in into.parent.iterdir()] == ["promtool"]


def test_libraries_are_fetched_only_when_they_are_requested(tmp_path: Path, log: Path) -> None:
    fetch(("b", "a"), release="bookworm", into=tmp_path / "into")
    assert calls(log, "apt-get")[-1] == "apt-get -q -y download a b"
    assert not calls(log, "apt-cache")


def test_the_configuration_keeps_the_proxy_and_no_hook(tmp_path: Path, log: Path) -> None:
    """The machine's sources and state are not used, and no part of an index may be missing."""
    fetch(("a",), release="trixie", into=tmp_path / "into")
    lines = (log / "apt.conf").read_text().splitlines()
    assert lines[0] == 'Acquire::http::Proxy "http://proxy";'
    assert not any("Invoke" in line for line in lines)
    assert {
        'Dir::Etc::parts "/dev/null";', 'Dir::Etc::sourcelist "/dev/null";',
        'APT::Update::Error-Mode "any";', 'Dir::State::status "/var/lib/dpkg/status";',
    } - set(lines) == {'Dir::Etc::sourcelist "/dev/null";'}  # fmt: skip
    assert any(
        line.startswith('Dir::Etc::sourcelist "') and "lab.sources" in line for line in lines
    )
    assert (log / "sources").read_text() == (
        "Types: deb\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main\nTargets: Packages\n"
    )


def test_a_newer_release_is_verified_with_the_keyring_that_the_older_one_ships(
    tmp_path: Path, log: Path
) -> None:
    """Its package is fetched from the machine's own release, and is not unpacked with the others."""
    (log / "refused").touch()
    fetch(("promtool",), release="trixie", into=tmp_path / "into")
    assert calls(log, "apt-get") == [
        "apt-get -q -y update", "apt-get -q -y update", "apt-get -q -y download debian-archive-keyring",
        "apt-get -q -y update", "apt-get -q -y download promtool",
    ]  # fmt: skip
    suites = [line for line in (log / "sources").read_text().splitlines() if "Suites" in line]
    assert suites == ["Suites: trixie", "Suites: bookworm", "Suites: trixie"]
    keyring = "keyring/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = (log / "sources").read_text().splitlines()[-1]
    assert signed.startswith("Signed-By: ")
    assert signed.endswith(keyring)
    assert [line.split()[-2].rpartition("/")[2] for line in calls(log, "dpkg-deb")] == [
        "debian-archive-keyring.deb", "promtool.deb",
    ]  # fmt: skip


def test_an_error_has_the_last_messages_of_apt(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each archive; an unknown key of the machine's own release is not looked for."""
    (log / "refused").touch()
    archives = [Archive(f"http://mirror{n}/debian", "trixie", "") for n in (1, 2)]
    monkeypatch.setattr(debian, "machine_archives", lambda: iter(archives))
    with pytest.raises(LabError) as failed:
        fetch(("promtool", "b"), release="trixie", into=tmp_path / "into")
    said = "E: two Err: three NO_PUBKEY E: four"
    assert str(failed.value) == (
        "Could not fetch promtool b of Debian trixie:\n"
        f"http://mirror1/debian: {said}\nhttp://mirror2/debian: {said}\n"
        "Check the network and the machine's apt sources, or install it yourself, and try again."
    )
    assert len(calls(log, "apt-get")) == 2
    (log / "down").touch()
    with pytest.raises(LabError, match="mirror1/debian: could not resolve\n"):
        fetch(("promtool",), release="bookworm", into=tmp_path / "into")


def test_a_machine_without_apt_is_told_what_it_lacks(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both programs are needed."""
    programs = tmp_path / "programs"
    monkeypatch.setenv("PATH", str(programs))
    for name in ("apt-get", "dpkg-deb"):
        (programs / name).rename(programs / "away")
        with pytest.raises(
            LabError, match="This machine lacks promtool, and has no Debian archive"
        ):
            fetch(("promtool",), release="trixie", into=tmp_path / "into")
        (programs / "away").rename(programs / name)
    assert not (log / "calls").exists()
