"""`python -m lab.telemetry.redact.generate SOURCE...`: generates data/ from PostgreSQL's source and Faker.

The translation catalogues (.mo) have the texts without their SQLSTATEs, mixed with hints and details; the
source has both. The source trees come from Debian's source packages, without root and without a build:

    apt-get source --download-only postgresql-15 && tar -xf postgresql-15_*.orig.tar.bz2

Pass one tree for each major version; the files are the union, so a message of a version between two of them
is nearly always included. A message that is in none is stored as its SQLSTATE alone. The same trees have the
words of the server (wait events, backend types, plan nodes) and its keywords. The files were generated from
PostgreSQL 13.16, 15.18 and 18.6.
"""

import importlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

DATA = Path(__file__).with_name("data")
FOLDERS = ("src/backend", "src/common", "src/pl/plpgsql", "contrib")
ANY_SQLSTATE, INTERNAL_ERROR, SYNTAX_ERROR = "*", "XX000", "42601"
STRING = r'"(?:[^"\\\n]|\\.)*"'
COMMENT = re.compile(
    rf"({STRING}|'(?:[^'\\]|\\.)')|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)|//[^\n]*", re.DOTALL
)
CALL = re.compile(r"\b(?:ereport|ereport_domain|errsave|ereturn|elog|errsave_error)\s*\(")
STRINGS = rf"(?:\s*(?:{STRING}|[A-Z0-9_]*(?:PRI|_FORMAT|MODIFIER)[A-Za-z0-9_]*))+"
PIECE = re.compile(rf"{STRING}|[A-Z]\w+")
ESCAPE = re.compile(r"\\(.)")
TEXT = re.compile(rf"\berrmsg(?:_internal)?\s*\((?:\s*_\()?({STRINGS})")
PLURAL = re.compile(rf"\berrmsg_plural\s*\(({STRINGS})\s*,({STRINGS})")
ELOG = re.compile(rf"elog\s*\([^,\"]+,({STRINGS})")
MARKED = re.compile(rf"\b(?:gettext_noop|_)\s*\(({STRINGS})\s*\)")
SCANNER = re.compile(rf"\b\w*yyerror\s*\([^\";]*({STRINGS})")
CODE = re.compile(r"\berrcode\s*\(\s*(ERRCODE_\w+)")
ANY_CODE = re.compile(r"\berrcode(?:_\w+)?\s*\(")
CONVERSION = re.compile(r"%(?:%|[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|t)?([a-zA-Z]))")
# In a file that passes a variable to errmsg, the possible texts are marked for translation.
INDIRECT = re.compile(r"\berrmsg\s*\(\s*[a-z]\w*\s*[,)]|\berrmsg\s*\(\s*_\(\s*[a-z]")
NOT_MESSAGES = re.compile(r"guc|help|main\.c$")
DEEPEST = 4_000
# Source files with the words of views and plans.
WORDS = (
    "src/backend/commands/explain*.c", "src/backend/utils/init/miscinit.c", "src/backend/utils/misc/guc*.c",
    "src/backend/utils/activity/wait_event*", "src/backend/postmaster/pgstat.c",
    "src/backend/access/rmgrdesc/standbydesc.c", "src/backend/storage/lmgr/lockfuncs.c",
    "src/backend/utils/adt/lockfuncs.c", "src/backend/utils/adt/pgstatfuncs.c",
)  # fmt: skip
KEYWORDS = re.compile(r"%token <keyword>\s+([A-Z_\s]+?)\n\n/\*", re.DOTALL)
POOLS = ("pt_BR", "pt_PT", "es_ES", "en_US", "it_IT")


def main(trees: list[Path]) -> None:
    """Write the files: `SQLSTATE<tab>template` a line, words and names one a line, all sorted."""
    messages: set[tuple[str, str]] = set()
    words: set[str] = set()
    keywords: set[str] = set()
    conditions: set[str] = set()
    for tree in trees:
        codes = _codes(tree)
        for folder in FOLDERS:
            for path in sorted((tree / folder).rglob("*.[cyl]")):
                messages.update(_messages(path, codes))
        for pattern in WORDS:
            for path in tree.glob(pattern):
                words.update(_words(path))
        conditions.update(_conditions(tree))
        keywords.update(_keywords(tree / "src/backend/parser/gram.y"))
    _write("server_messages.txt", (f"{code}\t{text}" for code, text in messages))
    _write("server_words.txt", words)
    _write("keywords.txt", keywords)
    _write("sqlstates.txt", conditions)
    _write("people.txt", _people())


def _write(name: str, lines: Iterable[str]) -> None:
    (DATA / name).write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")


def _words(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    quoted = text if path.suffix == ".txt" else " ".join(re.findall(STRING, text))
    parts = re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", quoted)
    return {word.lower() for word in (*parts, *re.findall("[A-Za-z]+", quoted)) if len(word) > 1}


def _keywords(grammar: Path) -> set[str]:
    found = KEYWORDS.search(grammar.read_text(encoding="utf-8"))
    assert found
    return {word.removesuffix("_P").lower() for word in found[1].split()}


def _people() -> set[str]:
    """Given names and surnames, lower-case and without accents."""
    found: set[str] = set()
    for pool in POOLS:
        provider = importlib.import_module(f"faker.providers.person.{pool}").Provider
        for name in (*provider.first_names, *provider.last_names):
            plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
            found.update(part for part in re.findall("[a-z]+", plain) if len(part) > 2)  # noqa: PLR2004
    return found


def _codes(tree: Path) -> dict[str, str]:
    text = (tree / "src/backend/utils/errcodes.txt").read_text(encoding="utf-8")
    return {
        macro: code
        for code, macro in re.findall(r"^(\w{5})\s+\w\s+(ERRCODE_\w+)", text, re.MULTILINE)
    }


def _conditions(tree: Path) -> set[str]:
    """Return `SQLSTATE<tab>condition name` of errors."""
    text = (tree / "src/backend/utils/errcodes.txt").read_text(encoding="utf-8")
    found = re.findall(r"^(\w{5})\s+E\s+ERRCODE_\w+[ \t]+(\w+)", text, re.MULTILINE)
    return {f"{code}\t{name}" for code, name in found}


def _messages(path: Path, codes: dict[str, str]) -> Iterator[tuple[str, str]]:
    source = COMMENT.sub(lambda m: m[1] or " ", path.read_text(encoding="utf-8", errors="replace"))
    for call in CALL.finditer(source):
        body = _arguments(source, call.start())
        code = _code(body, codes)
        for template in _texts(body):
            yield code, template
    if INDIRECT.search(source) and not NOT_MESSAGES.search(path.name):
        for text in MARKED.findall(source):
            yield ANY_SQLSTATE, _template(text)
    for text in SCANNER.findall(source):
        reason = _template(text)
        for shape in ('{} at or near "%s"', "{} at end of input", "{}"):
            yield SYNTAX_ERROR, shape.format(reason)


def _texts(body: str) -> Iterator[str]:
    for text in (*TEXT.findall(body), *ELOG.findall(body)):
        yield _template(text)
    for singular, plural in PLURAL.findall(body):
        yield _template(singular)
        yield _template(plural)


def _code(body: str, codes: dict[str, str]) -> str:
    named = {codes[macro] for macro in CODE.findall(body) if macro in codes}
    if len(named) == 1 and len(ANY_CODE.findall(body)) == 1:
        return named.pop()
    return ANY_SQLSTATE if ANY_CODE.search(body) else INTERNAL_ERROR


def _template(text: str) -> str:
    """Join C's adjacent strings, and write every conversion as %s (text), %d (number) or %m (errno)."""
    parts = (part[1:-1] if part[0] == '"' else _macro(part) for part in PIECE.findall(text))
    plain = ESCAPE.sub(lambda m: " " if m[1] in "ntr" else m[1], "".join(parts))
    return CONVERSION.sub(_conversion, plain)


def _macro(name: str) -> str:
    """INT64_FORMAT is a whole conversion, PRId64 the end of one that began in the previous string."""
    return "%d" if name.endswith("_FORMAT") else "d"


def _conversion(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    if found[1] in "diuxXofeEgGp":
        return "%d"
    return "%m" if found[1] == "m" else "%s"


def _arguments(source: str, start: int) -> str:
    """Return a call up to its closing parenthesis; parentheses in string literals do not count."""
    depth, position = 0, start
    for part in re.finditer(rf"{STRING}|'(?:[^'\\]|\\.)'|[()]", source[start : start + DEEPEST]):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        position = start + part.end()
        if part[0] == ")" and depth == 0:
            break
    return source[start:position]


if __name__ == "__main__":
    main([Path(tree) for tree in sys.argv[1:]])
