"""Samples of a /metrics page, in the text format of Prometheus."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One sample of a /metrics page."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(page: str) -> Iterator[Sample]:
    """Yield every sample of a page.

    Raises:
        ValueError: when the page is malformed.
    """
    # Imported here: the parser loads the whole client library, and most commands read no page.
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield Sample(name=sample.name, labels=sample.labels, value=sample.value)
