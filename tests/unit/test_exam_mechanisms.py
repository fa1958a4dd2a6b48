"""Mechanisms: every kind has one, its texts are complete, and no name of a fault is in them."""

from collections import Counter
from dataclasses import replace

import pytest

from lab.drills.catalogue import DRILLS
from lab.exam.items import TEMPLATES, Fault, Herring, draw
from lab.exam.mechanisms import MECHANISMS, herring
from lab.exam.vocabulary import APPLICATIONS, KINDS, NOTHING
from lab.telemetry import redact

FAULTS = [
    pytest.param(fault, id=f"{fault.kind}/{fault.victim}")
    for number in range(len(TEMPLATES))
    for fault in draw(15, number).faults
]
NAMES = {*DRILLS, *DRILLS.aliases, "drill"}


def test_every_kind_and_every_herring_has_a_mechanism() -> None:
    assert set(MECHANISMS) == set(KINDS) - {NOTHING}
    assert all(herring(each.value) for each in Herring)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_texts_are_complete_and_name_the_culprit_only(fault: Fault) -> None:
    for statement in MECHANISMS[fault.kind].sql(fault).values():
        assert not {"APP", "VICTIM", "KEY", "SAME", "DAY"} & set(
            statement.sql.replace(".", " ").split()
        )
        assert f"service='{statement.service}'" in statement.sql
        words = statement.sql.lower().replace("_", "-")
        assert not [name for name in NAMES if name in words and name not in {"slow", "cpu"}]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_text_of_each_culprit_differs_without_its_comment(fault: Fault) -> None:
    """Spans and pg_stat_statements have no comment of their own: by the text alone the culprit is known."""
    if fault.culprits[0] not in APPLICATIONS:
        return
    texts = Counter(
        redact.statement(statement.sql).text
        for culprit in APPLICATIONS
        for statement in MECHANISMS[fault.kind].sql(replace(fault, culprits=(culprit,))).values()
        if not statement.sql.lstrip().startswith("ALTER")
    )
    assert set(texts.values()) <= {1}
