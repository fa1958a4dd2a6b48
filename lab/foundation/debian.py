"""Debian packages without root and without touching the system.

apt-get and dpkg-deb do the work, with state, cache and sources of their own in a directory that is
deleted afterwards; the mirror is the one that this machine already uses. Standard library only: the
bootstrap script needs this module before anything is installed.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.errors import LabError

SOURCES = Path("/etc/apt")
RELEASES = {
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "sid",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
}


@dataclass(frozen=True)
class Archive:
    """One Debian archive of this machine: `signed_by` is a keyring path, an inline key or empty."""

    uri: str
    release: str
    signed_by: str = ""

    def stanza(self, release: str) -> str:
        """Return this archive as a deb822 source of another release."""
        signed_by = f"Signed-By: {self.signed_by}\n" if self.signed_by else ""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {release}\nComponents: main\n"
            f"Targets: Packages\n{signed_by}"
        )


def fetch(
    packages: tuple[str, ...],
    *,
    release: str,
    into: Path,
    libraries: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Unpack packages of a Debian release into a directory, which appears complete or not at all.

    Args:
        packages: names; one unknown name fails all.
        release: codename, such as `trixie`.
        into: the directory to make; one that exists is complete, and nothing is fetched.
        libraries: also unpack the shared libraries they depend on and this machine does not have.
        say: called with each step as it begins.

    Raises:
        LabError: when this machine cannot fetch packages; the message names what to install.
    """
    if into.is_dir():
        return into
    wanted = " ".join(packages)
    archives = list(machine_archives())
    if not archives or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LabError(
            f"This machine lacks {wanted}, and has no Debian archive to fetch it from.\n"
            "Install it with your system's package manager, and put it on the PATH."
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for archive in archives:
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".fetch-") as directory:
            client = _Client(Path(directory), archive)
            try:
                client.update(release, say)
                say(f"downloading {wanted}")
                client.download(packages, libraries=libraries)
                say(f"unpacking {wanted}")
                client.unpack(into)
            except _AptError as error:
                reasons.append(f"{archive.uri}: {error}")
            else:
                return into
    tried = "\n".join(reasons)
    raise LabError(
        f"Could not fetch {wanted} of Debian {release}:\n{tried}\n"
        "Check the network and the machine's apt sources, or install it yourself, and try again."
    )


class _AptError(Exception):
    """apt-get or dpkg-deb failed; the message is the end of its output."""


class _Client:
    """apt-get with a configuration of its own; the machine's own hooks and state stay untouched."""

    def __init__(self, directory: Path, archive: Archive) -> None:
        self.directory = directory
        self.archive = archive
        self.debs = directory / "cache" / "archives"
        for name in ("lists/partial", "cache/archives/partial", "log"):
            (directory / name).mkdir(parents=True)
        self.configuration = directory / "apt.conf"
        self.sources = directory / "lab.sources"
        self.configuration.write_text(self._configure())

    def update(self, release: str, say: Callable[[str], None]) -> None:
        """Read the archive's index, with the machine's keyring or the newest one that it can verify."""
        say(f"reading the package index of Debian {release}")
        self.sources.write_text(self.archive.stanza(release))
        try:
            self._run("apt-get", "update")
        except _AptError as error:
            if "NO_PUBKEY" not in str(error) or release == self.archive.release:
                raise
            # An older machine does not know the newer release's key; its own release ships it by now.
            self._adopt_current_keyring()
            self.sources.write_text(self.archive.stanza(release))
            self._run("apt-get", "update")

    def download(self, packages: tuple[str, ...], *, libraries: bool) -> None:
        wanted = {*packages, *(self._missing_libraries(packages) if libraries else ())}
        self._run("apt-get", "download", *sorted(wanted), cwd=self.debs)

    def _missing_libraries(self, packages: tuple[str, ...]) -> set[str]:
        """Return the libraries that packages depend on, directly or through libraries, and that are missing.

        apt-get would also resolve what an installation needs: Perl, locales, scripts. Those of another
        release conflict with the installed ones; libraries have their ABI in their names.
        """
        installed = self._run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n")
        known = {line.partition(" ")[2] for line in installed.splitlines() if line[:2] == "in"}
        found: set[str] = set()
        frontier = set(packages)
        while frontier:
            listed = self._run("apt-cache", "depends", "--important", *sorted(frontier))
            names = re.findall(r"Depends: (lib[^\s:<>]+)", listed)
            frontier = set(names) - known - found
            found |= frontier
        return found

    def unpack(self, into: Path) -> None:
        root = self.directory / "root"
        root.mkdir()
        for deb in sorted(self.debs.glob("*.deb")):
            self._run("dpkg-deb", "--extract", str(deb), str(root))
        if (root / "lib").is_dir():
            # Older packages still separate /lib from /usr/lib; the linker's path has one directory.
            shutil.copytree(root / "lib", root / "usr" / "lib", symlinks=True, dirs_exist_ok=True)
        if not into.exists():
            root.rename(into)

    def _adopt_current_keyring(self) -> None:
        self.sources.write_text(self.archive.stanza(self.archive.release))
        self._run("apt-get", "update")
        self.download(("debian-archive-keyring",), libraries=False)
        self.unpack(self.directory / "keyring")
        for deb in self.debs.glob("*.deb"):
            deb.unlink()
        keyring = self.directory / "keyring/usr/share/keyrings/debian-archive-keyring.gpg"
        self.archive = Archive(self.archive.uri, self.archive.release, str(keyring))

    def _configure(self) -> str:
        # Proxies and the like come from the machine; its hooks, which act on the system, do not.
        dump = _run(("apt-config", "dump"), cwd=self.directory, environment=dict(os.environ))
        acquire = [line for line in dump.splitlines() if line.startswith("Acquire::")]
        own = {
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::sourcelist": self.sources,
            "Dir::State": self.directory,
            "Dir::State::lists": self.directory / "lists",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": self.directory / "cache",
            "Dir::Log": self.directory / "log",
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
            "Debug::NoLocking": "true",
        }
        return "\n".join([*acquire, *(f'{key} "{value}";' for key, value in own.items())]) + "\n"

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        if command[0] == "apt-get":
            command = (command[0], "-q", "-y", *command[1:])
        return _run(
            command,
            cwd=cwd or self.directory,
            environment={**os.environ, "APT_CONFIG": str(self.configuration), "LC_ALL": "C.UTF-8"},
        )


def _run(command: tuple[str, ...], *, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:", "Er")]
        raise _AptError(" ".join((errors or done.stdout.splitlines())[-3:]))
    return done.stdout


def machine_archives(sources: Path = SOURCES) -> Iterator[Archive]:
    """Yield the Debian archives that this machine uses, the likeliest first, each URI once.

    Security, update and backport suites are skipped: they do not carry whole releases. Third parties
    also name Debian's releases, so that entries which look like Debian's own come first.
    """
    found: dict[str, Archive] = {}
    for path in sorted([sources / "sources.list", *sources.glob("sources.list.d/*")]):
        if not path.is_file() or path.suffix not in (".list", ".sources"):
            continue
        read = _deb822 if path.suffix == ".sources" else _one_line
        for archive in read(path.read_text(encoding="utf-8", errors="replace")):
            if archive.release in RELEASES and not archive.uri.startswith("cdrom:"):
                found.setdefault(archive.uri, archive)
    yield from sorted(found.values(), key=lambda archive: not _looks_like_debian(archive))


def _looks_like_debian(archive: Archive) -> bool:
    return archive.uri.rstrip("/").endswith("/debian") or "debian-archive" in archive.signed_by


def _one_line(text: str) -> Iterator[Archive]:
    """Read `deb [signed-by=KEYRING] URI SUITE COMPONENT...` lines."""
    for line in text.splitlines():
        kind, _, rest = line.partition("#")[0].strip().partition(" ")
        if kind != "deb":
            continue
        options = ""
        if rest.lstrip().startswith("["):
            options, _, rest = rest.lstrip()[1:].partition("]")
        fields = rest.split()
        if len(fields) < 3 or "main" not in fields[2:]:  # noqa: PLR2004
            continue
        keyrings = [o.partition("=")[2] for o in options.split() if o.startswith("signed-by=")]
        yield Archive(fields[0], fields[1], keyrings[0] if keyrings else "")


def _deb822(text: str) -> Iterator[Archive]:
    """Read stanzas of `Types`, `URIs`, `Suites`, `Components` and `Signed-By`, which may be a key."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in "\n".join(lines).split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line}"
            else:
                name, _, value = line.partition(":")
                name = name.lower()
                fields[name] = value.strip()
        usable = (
            fields.get("enabled", "yes").lower() not in ("no", "false")
            and "deb" in fields.get("types", "").split()
            and "main" in fields.get("components", "").split()
        )
        if usable:
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield Archive(uri, suite, fields.get("signed-by", ""))
