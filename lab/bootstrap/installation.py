"""Creates `.venv` from the locks, with visible progress; standard library only.

A stamp is written when its installation is complete. From the moment that pip begins to change the
environment until then, a marker file exists: an interrupted installation is detected and repeated.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from lab.bootstrap.environment import Environment
from lab.foundation.debian import fetch
from lab.foundation.errors import LabError

DEBIAN_WHEELS = Path("/usr/share/python-wheels")
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def prepare(environment: Environment, lock: str) -> None:
    """Install a lock; an environment that is broken, incomplete or moved is created again.

    Raises:
        LabError: when pip cannot install; the next call retries.
    """
    with _held(environment.root / ".lab"):
        if environment.holds(lock):
            return
        with Progress() as progress:
            installer = _Installer(environment, progress)
            if not installer.is_sound():
                installer.make()
            installer.install(lock)
            installer.put_clone_on_path()
            environment.stamp(lock).write_text(environment.expected_stamp(lock), encoding="utf-8")
            environment.unfinished.unlink(missing_ok=True)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Make concurrent calls wait while this one prepares the environment."""
    directory.mkdir(exist_ok=True)
    with (directory / "venv.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("creditlab: waiting for another call that is preparing .venv\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Installer:
    def __init__(self, environment: Environment, progress: "Progress") -> None:
        self.environment = environment
        self.progress = progress
        self.packages = environment.root / ".lab" / "packages"

    def is_sound(self) -> bool:
        stamps = [
            path.read_text(encoding="utf-8") for path in self.environment.directory.glob("*.stamp")
        ]
        if self.environment.unfinished.exists() or not os.access(self.environment.python, os.X_OK):
            return False
        if any(stamp.partition("\n")[2] != self.environment.place() for stamp in stamps):
            return False
        probe = [str(self.environment.python), "-c", "import pip"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0

    def make(self) -> None:
        self.progress.show("making .venv")
        if self.environment.directory.exists():
            shutil.rmtree(self.environment.directory)
        venv.EnvBuilder(with_pip=False, symlinks=True).create(self.environment.directory)
        # A wheel is a zip of the content of site-packages. ensurepip takes ten times as long.
        with zipfile.ZipFile(_python_s_pip() or self._fetched_pip()) as wheel:
            wheel.extractall(self._site_packages())
        if not SYSTEM_CERTIFICATES.exists():
            self._bring_certificates()

    def _fetched_pip(self) -> Path:
        package = fetch(
            ("python3-pip-whl",),
            release="trixie",
            into=self.packages / "pip",
            say=self.progress.show,
        )
        return next(package.glob("usr/share/python-wheels/pip-*.whl"))

    def _bring_certificates(self) -> None:
        """Fetch CA certificates: Debian's pip uses the system's, and does not start without them."""
        where = self._site_packages() / "pip" / "_vendor" / "certifi" / "core.py"
        text = where.read_text(encoding="utf-8")
        if str(SYSTEM_CERTIFICATES) not in text:
            return
        package = fetch(
            ("ca-certificates",),
            release="trixie",
            into=self.packages / "ca-certificates",
            say=self.progress.show,
        )
        certificates = sorted(package.glob("usr/share/ca-certificates/mozilla/*.crt"))
        bundle = where.with_name("ca-certificates.crt")
        bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
        text = text.replace(f"'{SYSTEM_CERTIFICATES}'", ascii(str(bundle)))
        where.write_text(text, encoding="utf-8")

    def install(self, lock: str) -> None:
        file = self.environment.lock(lock)
        total = file.read_text(encoding="utf-8").count("==")
        self.progress.show(f"installing about {total} packages of locks/{lock}.txt", total=total)
        self._pip("--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(file))

    def _pip(self, *options: str) -> None:
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
        output: list[str] = []
        with subprocess.Popen(
            [str(self.environment.python), "-m", "pip", "install", *quiet, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                output.append(line.rstrip())
                self.progress.follow(line)
                if line.startswith("Installing collected packages"):
                    self.environment.unfinished.touch()
        if process.returncode != 0:
            reasons = [line for line in output if line.startswith(("ERROR", "WARNING"))] or output
            reason = "\n".join(f"  {line}" for line in reasons[-4:])
            raise LabError(
                f"pip could not install what the lab needs into {self.environment.directory}:\n{reason}\n"
                "Check the network and the free disk space, and run the command again."
            )

    def put_clone_on_path(self) -> None:
        # Python 3.11 reads .pth files in the locale's encoding; an escaped literal is valid in every one.
        line = f"import sys; sys.path.append({str(self.environment.root)!a})\n"
        (self._site_packages() / "credit-lab.pth").write_text(line, encoding="ascii")

    def _site_packages(self) -> Path:
        return next((self.environment.directory / "lib").glob("python3*/site-packages"))


def _python_s_pip() -> Path | None:
    """Return the pip wheel of this Python; Debian has it in another directory, or not at all."""
    found = find_spec("ensurepip")
    places = [DEBIAN_WHEELS]
    if found and found.origin:
        places.insert(0, Path(found.origin).parent / "_bundled")
    return next((wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))), None)


class Progress:
    """One status line on standard error; plain lines when it is not a terminal."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.live = sys.stderr.isatty()
        self.done = 0
        self.total = 0

    def __enter__(self) -> Self:
        sys.stderr.write("Preparing Credit Lab in .venv; needed only once\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
        if kind is None:
            seconds = time.monotonic() - self.started
            sys.stderr.write(f"Ready after {seconds:.0f} s\n")

    def show(self, what: str, total: int = 0) -> None:
        """Show the current step, of `total` parts."""
        self.done, self.total = 0, total
        self._write(what)

    def follow(self, line: str) -> None:
        """Read one line of pip's output."""
        words = line.split()
        if line.startswith(("Collecting", "Requirement already")):
            self.done += 1
            name = words[1] if words[0] == "Collecting" else words[3]
            if self.live:
                self._write(f"[{self.done}/{max(self.total, self.done)}] {name}")
        elif line.startswith("Installing collected packages"):
            self._write(f"unpacking {len(words) - 3} packages")

    def _write(self, what: str) -> None:
        sys.stderr.write(f"\r\x1b[K  {what}" if self.live else f"  {what}\n")
        sys.stderr.flush()
