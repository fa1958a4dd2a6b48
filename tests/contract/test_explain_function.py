"""The explain function of postgres/init and the one that the doctor advises are the same."""

from dataclasses import replace

from lab.doctor import fixes
from lab.foundation.settings import ROOT
from tests.unit.test_doctor_rules import GOOD


def body(text: str) -> str:
    return text[text.index("AS $function$") : text.rindex("$function$")].strip()


def test_the_doctor_advises_the_labs_own_function() -> None:
    init = (ROOT / "postgres" / "init" / "30-observability.sql").read_text()
    [advised] = [
        statement
        for statement in fixes.explain_function(replace(GOOD, planner=False)).statements
        if statement.startswith("CREATE OR REPLACE FUNCTION")
    ]
    assert body(advised) == body(init)
