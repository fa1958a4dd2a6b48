"""CPF check digits."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload import cpf

issuable = st.integers(1, cpf.BASES - 1).filter(cpf.is_issuable)


@given(issuable)
def test_what_is_made_is_valid(base: int) -> None:
    """A completed base is a valid CPF that begins with the base."""
    made = cpf.from_base(base)
    assert cpf.is_valid(made)
    assert int(made[:9]) == base


@given(issuable, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(base: int, position: int, shift: int) -> None:
    """Any single wrong digit is noticed, but for those that the modulus maps 10 and 0 together."""
    made = cpf.from_base(base)
    wrong = str((int(made[position]) + shift) % 10)
    spoilt = made[:position] + wrong + made[position + 1 :]
    if cpf.is_valid(spoilt):
        assert "0" in made[9:], (
            "only a check digit 0 (that of remainders 0 and 10) can hide a change"
        )


@pytest.mark.parametrize("text", ["", "5299822472", "529982247255", "5299822472x", "٥٢٩٩٨٢٢٤٧٢٥"])
def test_malformed_texts_are_not_valid(text: str) -> None:
    """Anything but eleven ASCII digits is not valid, and raises nothing."""
    assert not cpf.is_valid(text)


@pytest.mark.parametrize("base", [-1, 0, 333_333_333, 10**9])
def test_impossible_bases_are_refused(base: int) -> None:
    """A base out of range or of one repeated digit is refused by name."""
    with pytest.raises(ValueError, match=str(base)):
        cpf.from_base(base)


def test_generation_follows_the_random_state() -> None:
    """Equal random states give equal numbers; different ones do not."""
    first = [cpf.generate(Random(1)) for _ in range(3)]
    assert len(set(first)) == 1
    assert cpf.generate(Random(2)) != first[0]
