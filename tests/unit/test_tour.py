"""The tour: the same steps in both languages, with commands and pages that exist."""

import shlex
from urllib.parse import urlsplit

import pytest

from lab.console.pages import PAGES
from lab.learn.tour import Language, language_of, steps
from tests.commands import all_commands


@pytest.mark.parametrize("language", Language)
def test_each_step_has_texts_commands_and_a_page_that_exist(language: Language) -> None:
    found = steps(language, incident_s=7)
    assert [step.name for step in found] == ["load", "request", "incident", "observers", "cost"]
    for step in found:
        assert step.title
        assert step.why.endswith(".")
        assert step.look.endswith(".")
        assert urlsplit(step.page).path in PAGES
        for command in step.commands:
            words = shlex.split(command)[1:]
            assert any(words[: len(each.words)] == [*each.words] for each in all_commands()), (
                command
            )
    assert "--for 7s" in found[2].commands[0]


def test_both_languages_have_the_same_commands_and_different_texts() -> None:
    english, portuguese = steps(Language.EN), steps(Language.PT)
    for one, other in zip(english, portuguese, strict=True):
        assert (one.commands, one.page) == (other.commands, other.page)
        assert one.why != other.why


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.EN),
        ({"LANG": "pt_BR.UTF-8"}, Language.PT),
        ({"LANG": "de_DE.UTF-8"}, Language.EN),
        ({"LC_ALL": "C.UTF-8", "LANG": "pt_BR.UTF-8"}, Language.EN),
        ({"LC_ALL": "", "LC_MESSAGES": "pt_PT", "LANG": "en_US"}, Language.PT),
    ],
)
def test_the_language_is_that_of_the_terminal(
    environment: dict[str, str], language: Language
) -> None:
    assert language_of(environment) is language
