"""Steps on standard error: a line for each, with its time; on a terminal a spinner for the current one."""

import io
import json
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from lab.terminal import screen as module
from lab.terminal.progress import bar, turns
from lab.terminal.screen import Screen


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed to standard error, which is no terminal."""
    text = io.StringIO()
    monkeypatch.setattr(module, "err", Console(file=text, width=60, highlight=False))
    return text


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(s=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.s))
    return clock


def terminal(monkeypatch: pytest.MonkeyPatch, width: int = 40) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(
        module, "err", Console(file=text, width=width, force_terminal=True, color_system=None)
    )
    return text


def test_a_step_has_its_time_when_it_took_a_tenth_of_a_second(
    shown: io.StringIO, now: SimpleNamespace
) -> None:
    with Screen() as screen:
        for step, seconds in (("postgres", 0.09), ("seed", 0.125), ("risk", 12.34)):
            screen.begin(step)
            now.s += seconds
            screen.done(step, "ready")
        screen.begin("console")
        now.s += 5
        screen.done("another", "of the same start")
    assert shown.getvalue().splitlines() == [
        "  ✓ postgres           ready",
        "  ✓ seed               ready  0.1 s",
        "  ✓ risk               ready  12.3 s",
        "  ✓ another            of the same start",
    ]


def test_without_a_terminal_nothing_moves(shown: io.StringIO) -> None:
    with Screen() as screen:
        assert not screen.is_live
        screen.begin("seed", "loading")
        screen.wait("rows")
        assert screen._live is None
    assert shown.getvalue() == ""


def test_without_a_terminal_a_long_wait_is_told_each_minute(
    shown: io.StringIO, now: SimpleNamespace
) -> None:
    """What it waits for then, and for how long the step has taken; a new step begins a new minute."""
    with Screen() as screen:
        screen.begin("spans")
        for second in range(0, 150, 10):
            now.s = 100.0 + second
            screen.wait(f"size {second}")
        screen.begin("scale")
        now.s += 59.9
        screen.wait("too soon")
    assert shown.getvalue().splitlines() == [
        "  · spans              size 60  60 s",
        "  · spans              size 120  120 s",
    ]


def test_the_turns_of_a_measurement_are_shown(
    shown: io.StringIO, now: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal once a minute; on one the current turn, and how many are done if that is known."""
    with turns(module.err, "load", 9) as begun:
        begun("round 1: mix")
        now.s += 61
        begun("round 2: mix")
    assert shown.getvalue() == "  · load               round 2: mix  61 s\n"
    text = terminal(monkeypatch, 100)
    with turns(module.err, "load", 9) as begun:
        begun("round 1: mix")
        begun("round 2: mix")
    assert "round 2: mix" in text.getvalue()
    assert "1/9" in text.getvalue()


def test_on_a_terminal_the_current_step_is_shown_until_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first line of the detail, as much as fits; a display of its own may take the place."""
    text = terminal(monkeypatch)
    with Screen() as screen:
        assert screen.is_live
        screen.begin("seed", "loading the first twenty characters\nand a second line")
        first = screen._live
        assert first is not None
        assert str(screen._spinner.text) == "seed               loading the fi"
        screen.wait("rows")
        assert screen._live is first
        with screen.suspended() as console:
            assert screen._live is None
            console.print("a bar")
        screen.wait("indexes")
        assert screen._live is not first
    assert screen._live is None
    lines = [line.strip() for line in re.split(r"[\r\n]|\x1b\[[0-9?]*[A-Za-z]", text.getvalue())]
    assert any(re.fullmatch(r". seed +rows", line) for line in lines), lines
    assert "a bar" in lines


def test_a_narrow_terminal_has_ten_characters_of_a_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, width=30)
    with Screen() as screen:
        screen.begin("x", "0123456789abc")
        assert str(screen._spinner.text) == "x                  0123456789"


def test_a_warning_is_one_line(shown: io.StringIO) -> None:
    """Not wrapped: it may have an address or a command to copy."""
    module.warn("a " * 50)
    assert shown.getvalue() == f"  ! {'a ' * 50}\n"


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", '"ç"'), ("latin-1", '"\\u00e7"')])
def test_json_is_ascii_where_the_stream_is_not_utf_8(encoding: str, text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    module._Output(file=stream, width=60).print_json(json.dumps("ç"))
    stream.seek(0)
    assert stream.read().strip() == text


def test_a_progress_bar_is_shown_for_each_step() -> None:
    """One line for each, with done and total; it disappears at the end."""
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=True, color_system=None)
    with bar(console) as report:
        for step, done, total in (("rows", 3, 10), ("rows", 10, 10), ("indexes", 1, 4)):
            report(SimpleNamespace(step=step, done=done, total=total))
    last = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", text.getvalue())
    assert re.search(r"rows +━+ +10/10", last)
    assert re.search(r"indexes +━+[╸╺━ ]* +1/4", last)
    assert last.rstrip("\r\n").count("indexes") == len(re.findall("indexes +━", last))
