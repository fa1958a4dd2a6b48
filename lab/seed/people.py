"""Generates the customers: names from Faker's Brazilian pools, valid CPFs, reserved e-mail domains.

Names are drawn from Faker's lists directly, because calling Faker for each field would take as long as
everything else together.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from random import Random

from lab.seed.batches import Batch, Page
from lab.seed.places import CITIES
from lab.seed.profiles import Profiles
from lab.seed.timeline import Timeline
from workload import cpf

BLOCK = 5_000
GROWTH = 0.7  # customers join faster every year
_PLACES = tuple(f"{city}\t{state}" for city, state, weight in CITIES for _ in range(weight))
# Reserved for documentation by RFC 2606.
_MAIL_DOMAINS = ("example.com", "example.org", "example.net")
# No Brazilian area code has a zero, so these numbers are not assigned.
_AREA_CODES = tuple(range(10, 100, 10))


class CpfSequence:
    """Unique CPFs by number: a permutation of the nine-digit bases of CPFs."""

    def __init__(self, rng: Random) -> None:
        # Any factor coprime to 10^9 permutes; one near the golden section of 10^9 scatters neighbours best.
        self._factor = 618_033_989 + 10 * rng.randrange(1000)
        self._offset = rng.randrange(cpf.BASES)

    def at(self, number: int) -> str:
        """Return the CPF of a number from 1 to 111,111,110.

        A base that is never issued is permuted again ("cycle walking"): the result is unique, because
        such a base is not a number of this sequence.
        """
        base = self._permute(number)
        while not cpf.is_issuable(base):
            base = self._permute(base)
        return cpf.from_base(base)

    def _permute(self, number: int) -> int:
        return (number * self._factor + self._offset) % cpf.BASES


def joined(number: int, customers: int) -> float:
    """Return when a customer (numbered from 0) joins, as a fraction of the three years."""
    return float((number / customers) ** GROWTH)


def members(fraction: float, customers: int) -> int:
    """Return the number of customers at a fraction of the three years: inverse of `joined`, at least 1."""
    return int(customers * fraction ** (1 / GROWTH)) + 1


def customers(
    count: int, random_seed: int, profiles: Profiles, timeline: Timeline
) -> Iterator[list[Batch]]:
    """Yield the customers 1 to `count`, in the order in which they join, a block at a time."""
    rng = Random(f"{random_seed} people")
    pools = name_pools()
    page = Page(table="customers")
    cpfs = CpfSequence(rng)
    pick = rng.random
    domains, areas = len(_MAIL_DOMAINS), len(_AREA_CODES)
    for first in range(0, count, BLOCK):
        for number in range(first, min(first + BLOCK, count)):
            profile = profiles.of(number + 1)
            name = _name(rng, *pools)
            mail = f"{_slug(name)}.{number + 1}@{_MAIL_DOMAINS[int(pick() * domains)]}"
            phone = f"+55 {_AREA_CODES[int(pick() * areas)]} 9{int(pick() * 10**8):08d}"
            place = rng.choice(_PLACES)
            at = timeline.text(timeline.instant(joined(number, count)))
            page.add(
                f"{cpfs.at(number + 1)}\t{name}\t{mail}\t{phone}\t{profile.born}\t{place}"
                f"\t{profile.income}\t{at}\t{at}"
            )
        yield [page.take()]


def name_pools() -> tuple[Sequence[str], Sequence[str]]:
    """Return Faker's Brazilian first and last names."""
    # Imported here: it loads all of Faker, and a start of a lab that has its seed needs no names.
    from faker.providers.person.pt_BR import Provider  # noqa: PLC0415

    return Provider.first_names, tuple(Provider.last_names)


def _name(rng: Random, firsts: Sequence[str], lasts: Sequence[str]) -> str:
    first = firsts[int(rng.random() * len(firsts))]
    middle = lasts[int(rng.random() * len(lasts))]
    last = lasts[int(rng.random() * len(lasts))]
    return f"{first} {last}" if middle == last else f"{first} {middle} {last}"


def _slug(name: str) -> str:
    """Make a name fit an e-mail address.

    >>> _slug("Antônio da Conceição")
    'antonio.da.conceicao'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain.lower().replace(" ", ".")
