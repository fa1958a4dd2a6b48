"""The order of an exam: what the command passes to the exam process."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Order:
    """What `exam start` passes through a pipe; `number` selects a template, None: the seed does."""

    exam: str
    seed: int
    number: int | None
    doors: tuple[str, ...]
    minutes: float
