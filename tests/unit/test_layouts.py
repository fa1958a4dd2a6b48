"""What each view prints, as in tests/unit/layouts: text, width, and the style of each piece.

A change of a layout is a change of what people read: it is reviewed in that file. To write it again,
delete it and run the test.
"""

import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from tests.view_examples import SHOWN

KEPT = Path(__file__).with_name("layouts")


def described(printed: RenderableType) -> str:
    """Return each line with its end marked, and behind it the pieces that have a style."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    lines = []
    for line in console.render_lines(printed, console.options, pad=False):
        text = "".join(segment.text for segment in line)
        styled = [
            f"{segment.style}({segment.text.strip()})"
            for segment in line
            if segment.style and str(segment.style) != "none" and segment.text.strip()
        ]
        lines.append(f"{text}| {'; '.join(styled)}".rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", SHOWN)
def test_a_view_prints_its_layout(name: str) -> None:
    kept = KEPT / f"{name.replace(' ', '-')}.txt"
    shown = described(SHOWN[name]())
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(shown, encoding="utf-8")
        pytest.fail(f"{kept.name} was written: review it, and run the test again")
    assert shown == kept.read_text(encoding="utf-8")
