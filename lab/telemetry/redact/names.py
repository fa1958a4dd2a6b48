"""The rule for names: which names are stored unchanged, and which are replaced by a hash.

Names are chosen by users: of applications, roles, databases, schemas, tables, indexes, aliases, services,
routes and hosts. A name is kept when it consists of Latin letters, ASCII digits and the punctuation of names,
has no digits that could be a CPF, a telephone number or a birth date, however they are split, and no name of
a person. Any other becomes `redacted_` and twelve letters, a keyed hash: different names stay different, and
without the key a CPF cannot be found by hashing all CPFs. docs/adr/0009 has the reasons.
"""

import hmac
import re
import unicodedata
from functools import lru_cache
from hashlib import sha256

from lab.telemetry.redact.key import current
from lab.telemetry.redact.words import all_people, people, technical

# Consonants, so that a hash contains no word and no number.
LETTERS = "bcdfghjkmnpqrtvx"
FORM = re.compile(rf"redacted_[{LETTERS}]{{12}}")
MAX_CHARACTERS = 200
# The replacement character of an undecodable byte, and the letters it most often replaces, without accents.
UNDECODED, BEYOND_ASCII = "\ufffd", "aeiouc"
# Letters of Latin-1 and Latin Extended-A and -B. Other scripts cannot be checked.
CHARACTERS = re.compile(r"[A-Za-z0-9À-ÖØ-öø-ɏ_ .:/()<>\[\]{}$,*+~-]{1,200}")
MOST_DIGITS = 7
DIGIT = re.compile("[0-9]")
# Digits that are not personal: a date too late for an adult's birth; a private address; an id.
DATE = re.compile(
    r"(?<![0-9])20[1-4][0-9](?P<s>[_./-]?)(?:0[1-9]|1[0-2])"
    r"(?:(?P=s)(?:0[1-9]|[12][0-9]|3[01])(?:[T_ -]?[0-2][0-9](?:[_:.-]?[0-5][0-9]){0,2})?)?(?![0-9])"
)
MOST_DATES = 2
PRIVATE_ADDRESS = re.compile(
    r"(?<![0-9])(?:10|127|192[.-]168|172[.-](?:1[6-9]|2[0-9]|3[01]))(?:[.-][0-9]{1,3}){2,3}(?![0-9])"
)
HEXADECIMAL = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?![0-9a-f])"
)
# A pod of a Deployment: Kubernetes' alphabet of random names has no vowels and no 0, 1 and 3.
POD = re.compile(r"-[bcdf-hj-np-tv-xz2456789]{8,10}-[bcdf-hj-np-tv-xz2456789]{5}\Z")
LEAST_LETTERS = 3
# Roles that Vault creates: v-AUTH-ROLE-20 random characters-seconds since 1970.
VAULT = re.compile(r"(v-[a-z]{1,20}-[A-Za-z_]{1,30})-[A-Za-z0-9]{20}-[0-9]{10}")
NUMBER_WORDS = frozenset({
    "zero", "um", "dois", "tres", "quatro", "cinco", "seis", "meia", "sete", "oito", "nove",
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
})  # fmt: skip
MOST_NUMBER_WORDS = 6
LETTER_RUN = re.compile("[A-Za-z]+")
CAMEL = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
TITLES = re.compile(r"(?<![A-Za-z])[A-Z][a-z]+(?:[_. -](?:d[aeo]s?|e))?[_. -][A-Z][a-z]+")
LEAST_JOINED = 8
LEAST_SURNAME = 5


def label(value: str | None) -> str | None:
    """Return a name as it may be stored: unchanged, or its hash; None for an empty one.

    >>> label("tenant_10001"), label("vendas_20261101"), label("credit-lab probe"), label("")
    ('tenant_10001', 'vendas_20261101', 'credit-lab probe', None)
    >>> label("maria@example.com") == label("maria@example.com") != label("joao@example.com")
    True
    """
    if not value:
        return None
    return _label(value, current())


def is_harmless(value: str) -> bool:
    """Whether a name contains nothing personal and is stored unchanged."""
    return label(value) == value


def hashed(value: str) -> str:
    """Return the keyed hash of a name: the same for the same name and key."""
    digest = hmac.digest(current(), value.encode("utf-8", "surrogatepass"), sha256)[:6]
    return "redacted_" + "".join(LETTERS[half] for byte in digest for half in divmod(byte, 16))


@lru_cache(maxsize=16_384)
def _label(value: str, key: bytes) -> str:
    del key  # part of the cache key, because hashed() uses it
    if value == "?" or FORM.fullmatch(value) or _is_harmless(value):
        return value
    if (vault := VAULT.fullmatch(value)) and _is_harmless(vault[1]):
        return f"{vault[1]}-{hashed(value)}"
    return hashed(value)


def _is_harmless(value: str) -> bool:
    if UNDECODED in value:
        # It must be harmless with each letter in place of the replacement character: jo\ufffdo may be joao.
        return all(_is_harmless(value.replace(UNDECODED, letter)) for letter in BEYOND_ASCII)
    plain = unicodedata.normalize("NFC", FORM.sub("", value[: MAX_CHARACTERS + 1]))
    if not plain:
        return len(value) <= MAX_CHARACTERS
    return (
        len(value) <= MAX_CHARACTERS
        and CHARACTERS.fullmatch(plain) is not None
        and _few_digits(plain)
        and not _is_person(plain)
    )


def _few_digits(value: str) -> bool:
    """Whether the digits of a name are few, over all of it: separators and letters do not hide a number."""
    rest = DATE.sub(" ", value, count=MOST_DATES)
    rest = PRIVATE_ADDRESS.sub(" ", rest, count=1)
    for random in (HEXADECIMAL, POD):
        rest = random.sub(_without_random, rest, count=1)
    return len(DIGIT.findall(rest)) <= MOST_DIGITS


def _without_random(found: re.Match[str]) -> str:
    letters = sum(character.isalpha() for character in found[0])
    return " " if letters >= LEAST_LETTERS else found[0]


def _is_person(value: str) -> bool:
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    runs = LETTER_RUN.findall(plain)
    known = technical()
    unknown = [run for run in runs if run.lower() not in known]
    if sum(run.lower() in NUMBER_WORDS for run in runs) > MOST_NUMBER_WORDS:
        return True
    if " " in value.strip() and len(unknown) > 1:
        return True
    if any(not set(pair.lower().split()) <= known for pair in _titles(plain)):
        return True
    return any(
        _is_person_name(word.lower()) for run in unknown for word in (run, *CAMEL.findall(run))
    )


def _titles(value: str) -> list[str]:
    return [re.sub("[_. -]", " ", pair) for pair in TITLES.findall(value)]


@lru_cache(maxsize=16_384)
def _is_person_name(word: str) -> bool:
    """Whether a word is a name, an initial with a surname (`msilva`), or two names (`mariasilva`)."""
    if word in people() or (len(word) > LEAST_SURNAME and word[1:] in people()):
        return word not in technical()
    if len(word) < LEAST_JOINED:
        return False
    names = all_people()
    return any(word[:at] in names and word[at:] in names for at in range(3, len(word) - 2))
