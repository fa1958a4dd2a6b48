"""What is read from PostgreSQL's source: messages with their SQLSTATEs, words, keywords, condition names."""

from pathlib import Path

import pytest

from lab.telemetry.redact import generate

ERRCODES = """# comment
Section: Class 23
23505    E    ERRCODE_UNIQUE_VIOLATION                                       unique_violation
01000    W    ERRCODE_WARNING                                                warning
22P02    E    ERRCODE_INVALID_TEXT_REPRESENTATION                            invalid_text_representation
"""
GRAMMAR = """%token <ival> ICONST
%token <keyword> ABORT_P ABSENT
\tACTION ZONE

/* comment */
"""
SOURCE = r"""
/* ereport(ERROR, (errmsg("in a comment"))) */
ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
    errmsg("duplicate key value violates unique "
           "constraint \"%s\"", name),
    errdetail("Key %s.", key)));
ereport(ERROR, (errmsg("without a code: %d, %5.2f, %ld, %%", 1, 2.0, 3L)));
ereport(ERROR, (errcode_for_file_access(), errmsg("could not open \"%s\": %m", path)));
ereport(ERROR, (errcode(x ? ERRCODE_UNIQUE_VIOLATION : ERRCODE_WARNING), errmsg("one of two)")));
elog(ERROR, "unexpected\nstate " UINT64_FORMAT, state);
ereport(NOTICE, (errcode(ERRCODE_WARNING), errmsg_plural("drop of %d row", "drop of %d rows", n, n)));
scanner_yyerror("unterminated string", yyscanner);
"""
INDIRECT = r"""
reason = gettext_noop("too many %s");
ereport(ERROR, (errcode(ERRCODE_WARNING), errmsg(reason, x)));
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with one file of each kind."""
    files = {
        "src/backend/utils/errcodes.txt": ERRCODES,
        "src/backend/parser/gram.y": GRAMMAR,
        "src/backend/executor/execMain.c": SOURCE,
        "contrib/x/x.c": INDIRECT,
        "contrib/x/guc.c": INDIRECT.replace("too many", "of an option"),
        "src/backend/commands/explain.c": 'show("Heap Fetches", es); /* Unquoted */',
        "src/backend/utils/activity/wait_event_names.txt": 'WAL_WRITE "Waiting"\nBufferIO x',
        "src/test/other.c": 'elog(ERROR, "of a test");',
    }
    for name, text in files.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "source"


@pytest.fixture
def data(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that are made from it."""
    monkeypatch.setattr(generate, "DATA", tmp_path)
    generate.main([tree])
    return tmp_path


def lines(data: Path, name: str) -> list[str]:
    text = (data / name).read_text()
    found = text.splitlines()
    assert found == sorted(found)
    assert text.endswith("\n")
    return found


def test_messages_have_the_sqlstate_that_is_sent_with_them(data: Path) -> None:
    """`*` where the code is chosen at run time, XX000 where none is; conversions are %s, %d and %m."""
    found = lines(data, "server_messages.txt")
    assert [line for line in found if not line.startswith("42601")] == [
        '*\tcould not open "%s": %m',
        "*\tone of two)",
        "*\ttoo many %s",
        "01000\tdrop of %d row",
        "01000\tdrop of %d rows",
        '23505\tduplicate key value violates unique constraint "%s"',
        "XX000\tunexpected state %d",
        "XX000\twithout a code: %d, %d, %d, %%",
    ]


def test_the_scanners_errors_are_written_where_they_occur(data: Path) -> None:
    assert [line for line in lines(data, "server_messages.txt") if line.startswith("42601")] == [
        "42601\tunterminated string",
        "42601\tunterminated string at end of input",
        '42601\tunterminated string at or near "%s"',
    ]


def test_words_of_the_server_are_those_between_quotes(data: Path) -> None:
    """Of a text file those outside quotes, too. A name in capitals or in camel case is also its parts."""
    assert lines(data, "server_words.txt") == [
        "buffer", "bufferio", "fetches", "heap", "io", "waiting", "wal", "write",
    ]  # fmt: skip


def test_keywords_and_conditions(data: Path) -> None:
    """Conditions of errors alone; keywords without the suffix that keeps them from being macros."""
    assert lines(data, "keywords.txt") == ["abort", "absent", "action", "zone"]
    assert lines(data, "sqlstates.txt") == [
        "22P02\tinvalid_text_representation", "23505\tunique_violation",
    ]  # fmt: skip


def test_names_of_people_are_lower_case_words_of_three_letters_at_least(data: Path) -> None:
    found = set(lines(data, "people.txt"))
    assert {"maria", "silva", "joao", "smith"} <= found
    assert min(map(len, found)) == 3
    assert all(name.isascii() and name.islower() for name in found)
