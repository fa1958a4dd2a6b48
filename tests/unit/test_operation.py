"""What an audit row keeps of an operation, and how the five services are put together."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workload.operation import Facts
from workload.services import SERVICES
from workload.settings import Settings
from workload.shop import shoppers

amounts = st.decimals(0, 10**10, places=2)


@given(
    st.builds(
        Facts,
        proposal=st.sampled_from([None, "submitted", "approved", "rejected", "withdrawn"]),
        disbursed=amounts,
        paid=amounts,
    )
)
def test_facts_come_back_from_the_audit_row_to_the_cent(facts: Facts) -> None:
    assert Facts.from_detail(json.loads(facts.to_detail())) == facts


def test_nothing_is_kept_of_what_did_not_happen() -> None:
    assert Facts().to_detail() == "{}"
    assert json.loads(Facts(paid=Decimal("1.10")).to_detail()) == {"paid": "1.10"}


def test_each_operation_has_a_rate_of_its_own_in_the_settings() -> None:
    """Twice the setting is twice the rate, and every rate_ setting moves exactly one operation."""
    names = {name for name in Settings.model_fields if name.startswith("rate_")}
    services = [*SERVICES.values(), shoppers.SERVICE]
    operations = [operation for service in services for operation in service.operations]
    assert len(operations) == len(names)
    plain = Settings.model_construct()
    for name in names:
        doubled = plain.model_copy(update={name: 2 * getattr(plain, name)})
        assert [o for o in operations if o.rate(doubled) != o.rate(plain)] == [
            o for o in operations if o.name == name.removeprefix("rate_")
        ]


def test_services_and_operations_are_named_once() -> None:
    names = [o.name for service in SERVICES.values() for o in service.operations]
    assert len(set(names)) == len(names)
    assert {name: service.dd_service for name, service in SERVICES.items()} == {
        name: f"credit-{name}" for name in SERVICES
    }
