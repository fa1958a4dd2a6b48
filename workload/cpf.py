"""CPF, the Brazilian taxpayer number: nine digits and two check digits, both modulo 11.

Shared by the seed, which generates numbers, and by `verify`, which checks
them; the rule is that of the Receita Federal. Generated numbers are random, but one may belong to a
real person by chance: treat them as personal data.
"""

from random import Random

BASES = 10**9
_FIRST_WEIGHTS = tuple(range(10, 1, -1))
_SECOND_WEIGHTS = tuple(range(11, 1, -1))
_LENGTH = 11
_REPDIGIT = 111_111_111


def from_base(base: int) -> str:
    """Complete a nine-digit base to a CPF of eleven digits, without punctuation.

    Args:
        base: 0 to 999,999,999; leading zeros are implied.

    Raises:
        ValueError: the base is out of range, or is one digit repeated, which is never issued.

    >>> from_base(529_982_247)
    '52998224725'
    >>> from_base(1_234_567)
    '00123456797'
    """
    if not is_issuable(base):
        raise ValueError(f"{base} is not a base of a CPF: expected nine digits, not all equal")
    digits = [int(digit) for digit in f"{base:09d}"]
    digits.append(_check_digit(digits, _FIRST_WEIGHTS))
    digits.append(_check_digit(digits, _SECOND_WEIGHTS))
    return "".join(map(str, digits))


def is_issuable(base: int) -> bool:
    """Whether a CPF with these nine digits can be issued.

    >>> is_issuable(111_444_777), is_issuable(111_111_111), is_issuable(0), is_issuable(10**9)
    (True, False, False, False)
    """
    return 0 < base < BASES and base % _REPDIGIT != 0


def generate(rng: Random) -> str:
    """Draw a valid CPF; two draws may be equal.

    >>> is_valid(generate(Random(15)))
    True
    """
    base = rng.randrange(BASES)
    while not is_issuable(base):
        base = rng.randrange(BASES)
    return from_base(base)


def is_valid(text: str) -> bool:
    """Whether a text is eleven ASCII digits, not all equal, with valid check digits.

    >>> is_valid("52998224725"), is_valid("52998224724"), is_valid("529.982.247-25")
    (True, False, False)
    >>> is_valid("11111111111")
    False
    """
    if len(text) != _LENGTH or not (text.isascii() and text.isdigit()):
        return False
    base = int(text[:9])
    return is_issuable(base) and from_base(base) == text


def _check_digit(digits: list[int], weights: tuple[int, ...]) -> int:
    remainder = sum(d * w for d, w in zip(digits, weights, strict=True)) * 10 % 11
    return remainder % 10
