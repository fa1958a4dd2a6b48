"""The list of equivalent mutants names lines that are there, each with a reason and once."""

from collections import Counter

from tests.mutation.reviewed import reviewed


def test_every_reviewed_mutant_is_of_a_line_that_is_there() -> None:
    """A line that has changed is reviewed again: its entry is renewed, or removed."""
    entries = reviewed()
    assert [f"{entry.file}: {entry.before}" for entry in entries if not entry.is_in()] == []
    assert all(entry.reason and entry.before != entry.after for entry in entries)
    assert max(Counter((e.file, e.before, e.after) for e in entries).values(), default=1) == 1
