"""A short run of the fuzzer on every test run; `python -m tests.fuzz` makes the long one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import corpus, inputs
from tests.fuzz.target import TARGETS, one

COUNT = 10_000


def test_the_corpus_is_taken() -> None:
    """Every target has a seed in the corpus that it takes, so that mutations start from what is valid."""
    taken = {seed[0] for seed in corpus() if one(seed)}
    assert taken == set(TARGETS)


def test_mutations_of_the_corpus() -> None:
    """Whatever becomes of a valid body, it is taken or refused; the store can hold what was taken."""
    verdicts = [one(data) for data in inputs(corpus(), COUNT, seed=15)]
    assert {True, False} == set(verdicts)


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, len(TARGETS) - 1), st.binary(max_size=200))
def test_any_bytes(target: int, body: bytes) -> None:
    """Bytes without any form are taken or refused, too."""
    one(bytes([target]) + body)
