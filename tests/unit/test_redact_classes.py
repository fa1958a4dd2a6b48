"""Character classes of the SQL lexer: those of PostgreSQL's scanner."""

import re

import pytest

from lab.telemetry.redact.plain import LETTER, LETTER_OR_DIGIT, NAME

ALL = [*map(chr, range(0x400)), "\u2028", "\u4e2d", "\ud800", "\uffff", "\U0001f600", "\U0010ffff"]


@pytest.mark.parametrize(
    ("form", "extra"), [(LETTER, "_"), (LETTER_OR_DIGIT, "_0123456789"), (f"a{NAME}", "_")]
)
def test_a_name_has_ascii_letters_and_all_characters_beyond_ascii(form: str, extra: str) -> None:
    """A name begins with a letter, `_` or any character beyond ASCII, and continues with digits, too."""
    prefix = "a" if form.startswith("a") else ""
    matched = {each for each in ALL if re.match(form, prefix + each)}
    assert matched == {e for e in ALL if not e.isascii() or e.isalpha() or e in extra}


def test_a_name_continues_with_digits_and_dollars() -> None:
    """A name ends before a blank or a punctuation mark."""
    ends = {each for each in ALL if re.fullmatch(NAME, "a" + each) is None}
    assert ends == {e for e in ALL if e.isascii() and not e.isalnum() and e not in "_$"}
