"""What fills a placeholder of a message is kept only as a keyword where PostgreSQL writes keywords."""

import pytest

from lab.telemetry.redact.messages import error_message


@pytest.mark.parametrize(
    ("message", "sqlstate", "expected"),
    [
        ('syntax error at or near "FROM"', "42601", 'syntax error at or near "FROM"'),
        ('syntax error at or near "from"', "42601", 'syntax error at or near "?"'),
        ('syntax error at or near "MARIA"', "42601", 'syntax error at or near "?"'),
        ('syntax error at or near "FROM MARIA"', "42601", 'syntax error at or near "?"'),
        ('syntax error at or near "123"', "42601", 'syntax error at or near "?"'),
        ('invalid input syntax for type integer: "SELECT"', "22P02",
         'invalid input syntax for type integer: "?"'),
        ("DECLARE CURSOR can only be used in transaction blocks", "25P01",
         "DECLARE CURSOR can only be used in transaction blocks"),
    ],
)  # fmt: skip
def test_a_keyword_in_capitals_is_kept(message: str, sqlstate: str, expected: str) -> None:
    """Not in lower case, not beside another word, and not where a value is quoted."""
    assert error_message(message, sqlstate) == expected
