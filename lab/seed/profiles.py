"""Customers' profiles (income, date of birth, reliability), as a pure function of the customer's number.

A profile is recomputed where it is needed, not stored: proposals need the income of any earlier customer, and
memory must not grow with the scale.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import exp
from statistics import NormalDist

_WORD = (1 << 64) - 1
_STEPS = 1 << 10
_MEDIAN_INCOME_CENTS = 280_000
_INCOME_SIGMA = 0.65
_LEAST_INCOME_CENTS = 90_000
_YOUNGEST_DAYS = 22 * 365  # of age when joining three years ago
_AGE_RANGE_DAYS = 50 * 365
_INCOMES = tuple(
    max(
        _LEAST_INCOME_CENTS,
        int(_MEDIAN_INCOME_CENTS * exp(_INCOME_SIGMA * NormalDist().inv_cdf((n + 0.5) / _STEPS))),
    )
    for n in range(_STEPS)
)


@dataclass(frozen=True, slots=True)
class Profile:
    """Monthly income in reais, date of birth, and reliability of payments, 0 to 1.

    Positional for speed: one is created for every proposal.
    """

    income: Decimal
    born: date
    reliability: float


class Profiles:
    """The profiles of all customers under one random seed."""

    def __init__(self, random_seed: int, reference: date) -> None:
        self._offset = _scramble(random_seed & _WORD)
        self._youngest = reference.toordinal() - _YOUNGEST_DAYS

    def of(self, customer: int) -> Profile:
        """Return the profile of a customer by number."""
        bits = _scramble((customer * 0x9E3779B97F4A7C15 + self._offset) & _WORD)
        rank = bits & 0x3FF
        cents = _INCOMES[rank] + (bits >> 10 & 0x3FFF)
        # Half of reliability depends on income, half is independent.
        reliability = (rank + (bits >> 24 & 0x3FF)) / (2 * _STEPS)
        born = self._youngest - (bits >> 34) % _AGE_RANGE_DAYS
        return Profile(Decimal(cents).scaleb(-2), date.fromordinal(born), reliability)


def _scramble(word: int) -> int:
    """Mix 64 bits: the finalizer of SplitMix64 (Steele, Lea, Flood, 2014)."""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _WORD
    return word ^ word >> 31
