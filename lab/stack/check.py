"""Datadog's postgres check from a source checkout: its version, and its virtual environment.

`DATADOG_AGENT=check` runs it in place of the embedded agent (lab/telemetry/check). Only the check's
dependencies are installed, by pip, into `.lab/check`. The check itself is imported from the checkout, which
is not changed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings

CHECK = "check"
# Project of the checkout -> the file with its version, and the extras that the check needs.
PROJECTS = {
    "datadog_checks_base": ("datadog_checks/base/__about__.py", ("deps", "db", "json")),
    "postgres": ("datadog_checks/postgres/__about__.py", ("deps",)),
}
AT_LEAST = 19
VERSION = re.compile(r"""__version__\s*=\s*["'](\d+)(\.[\w.]+)["']""")
NEEDED = re.compile(r">=\s*(\d+)\.(\d+)")
INSTALL_S = 1200
ADVICE = (
    "Set DATADOG_CHECK_SOURCE to a checkout of https://github.com/DataDog/integrations-core,"
    " or DATADOG_AGENT=embedded."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """A checkout of integrations-core.

    Attributes:
        version: of the postgres check.
        requirements: what pip installs for it, in its form.
        python: the least version of Python, as in its `requires-python`; None when it states none.
    """

    source: Path
    version: str
    requirements: tuple[str, ...]
    python: tuple[int, int] | None

    @classmethod
    def examine(cls, settings: LabSettings) -> Self:
        """Return the checkout that the settings name.

        Raises:
            LabError: when none is named, it is not one, or its check is too old.
        """
        source = settings.datadog_check_source
        if source is None:
            raise LabError(f"DATADOG_AGENT=check needs Datadog's source.\n{ADVICE}")
        source = source.expanduser().absolute()
        if not source.is_dir():
            raise LabError(f"DATADOG_CHECK_SOURCE: {source} is not a directory.\n{ADVICE}")
        versions = {name: _version(source, name, about) for name, (about, _) in PROJECTS.items()}
        version = versions["postgres"]
        if int(version.partition(".")[0]) < AT_LEAST:
            raise LabError(
                f"DATADOG_CHECK_SOURCE: {source} has the postgres check {version};"
                f" expected {AT_LEAST}.0.0 or later.\nCheck out a newer tag, such as postgres-23.0.0."
            )
        projects = {name: _project(source / name / "pyproject.toml") for name in PROJECTS}
        requirements = [
            requirement
            for name, (_, extras) in PROJECTS.items()
            for extra in extras
            for requirement in projects[name].get("optional-dependencies", {}).get(extra, ())
        ]
        needed = [NEEDED.search(p.get("requires-python", "")) for p in projects.values()]
        least = max(((int(found[1]), int(found[2])) for found in needed if found), default=None)
        return cls(
            source=source,
            version=version,
            requirements=tuple(dict.fromkeys(requirements)),
            python=least,
        )

    def prepare(self, settings: LabSettings, say: Callable[[str], object]) -> None:
        """Create the check's environment, unless there is one with the same contents.

        Raises:
            LabError: when Python is too old, or pip cannot install the dependencies.
        """
        interpreter = settings.datadog_check_python or Path(sys.executable)
        paths = Paths.of(settings)
        directory, marker = paths.check_python.parent.parent, paths.check / "contents.json"
        version = self._python_version(interpreter)
        contents = {"requirements": self.requirements, "python": version, "of": str(interpreter)}
        wanted = sha256(json.dumps(contents).encode()).hexdigest()
        if paths.check_python.exists() and marker.exists() and marker.read_text() == wanted:
            return
        say("creating the environment of Datadog's check")
        marker.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
        statefile.make_directory(paths.check)
        create = [str(interpreter), "-m", "venv", "--without-pip", str(directory)]
        self._run(create, "its environment")
        if self.requirements:
            say(f"installing {len(self.requirements)} dependencies of Datadog's check")
            listed = paths.check / "requirements.txt"
            listed.write_text("\n".join(self.requirements) + "\n", encoding="utf-8")
            # The lab's own pip: to install one there takes longer than all of the check's dependencies.
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(paths.check_python),
                "install",
                "-q",
            ]
            given = ["--disable-pip-version-check", "--no-input", "-r", str(listed)]
            self._run([*pip, *given], "its dependencies")
        marker.write_text(wanted)

    def _python_version(self, interpreter: Path) -> str:
        program = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = self._run([str(interpreter), "-c", program], "its Python").strip()
        found = tuple(map(int, version.split(".")))
        if self.python and found < self.python:
            least = ".".join(map(str, self.python))
            raise LabError(
                f"The postgres check {self.version} needs Python {least} or later;"
                f" {interpreter} is {version}.\nSet DATADOG_CHECK_PYTHON to such a Python."
            )
        return version

    def _run(self, command: list[str], what: str) -> str:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_S,
                # Proxies and pip's own configuration are the caller's.
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LabError(f"Datadog's check: {what} cannot be prepared: {error}.") from error
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            last = lines[-1] if lines else f"exit status {done.returncode}"
            raise LabError(
                f"Datadog's check: {what} cannot be prepared: {last}\n"
                f"The command was: {' '.join(command)}"
            )
        return done.stdout


def _version(source: Path, project: str, about: str) -> str:
    path = source / project / about
    try:
        found = VERSION.search(path.read_text(encoding="utf-8"))
    except OSError:
        raise LabError(
            f"DATADOG_CHECK_SOURCE: {source} is not a checkout of integrations-core:"
            f" it has no {project}/{about}.\n{ADVICE}"
        ) from None
    if not found:
        raise LabError(f"DATADOG_CHECK_SOURCE: {path} has no version such as 23.0.0.\n{ADVICE}")
    return found[1] + found[2]


def _project(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"DATADOG_CHECK_SOURCE: {path} cannot be read: {error}.\n{ADVICE}") from None
    project: dict[str, Any] = document.get("project", {})
    return project
