"""`down --wipe` of the native lab removes every file that lab/foundation/paths.py names."""

from pathlib import Path

from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import stopping
from lab.terminal.screen import Screen


def named(paths: Paths) -> dict[str, Path]:
    """Return the paths of a native lab, by their names."""
    names = [name for name, value in vars(Paths).items() if isinstance(value, property)]
    return {name: getattr(paths, name) for name in names if not name.startswith("docker_")}


def test_nothing_is_left(tmp_path: Path) -> None:
    state = tmp_path / "state"
    settings = LabSettings(_env_file=None, lab_state_dir=state)
    paths = named(Paths.of(settings))
    assert {"exams", "alerts", "mcp_token", "check", "postgres"} <= set(paths)
    for path in paths.values():
        if path.suffix or path.name == "lock":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    with Screen() as screen:
        stopping.down(settings, wipe=True, reporter=screen)
    assert [name for name, path in paths.items() if path.exists()] == []
    assert not state.exists()
