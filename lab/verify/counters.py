"""Compares the services' counters with the database: pure rules over two snapshots and the ledger."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from lab.verify.ledger import OperationTotals
from lab.verify.quiescence import CounterSnapshot, Key
from lab.verify.report import Check, compare, unknown
from workload.services import SERVICES

CENT = Decimal("0.01")
SHOP = "credit-shop"


def attempted_rows(start: CounterSnapshot, end: CounterSnapshot) -> Iterator[Check]:
    """Check, per table and action: rows attempted by the application = rows attempted in the database."""
    if start.server_start != end.server_start or start.instances != end.instances:
        yield unknown("attempted_rows", "PostgreSQL or a service was restarted within the window.")
        return
    errors = _errors(start, end)
    application = _difference(start.attempted_in_application, end.attempted_in_application)
    counted = _difference(start.attempted_in_database, end.attempted_in_database)
    for table, action in sorted(end.attempted_in_application):
        name = f"attempted_rows.{table}.{action}"
        expected, actual = application[table, action], counted[table, action]
        if expected != actual and errors:
            yield unknown(
                name,
                f"{errors} statements failed within the window; their rows may be counted.",
            )
        else:
            yield compare(
                name,
                expected=expected,
                actual=actual,
                detail="Within the window: counted by the services = counted by PostgreSQL.",
            )


def acknowledged(moment: CounterSnapshot) -> Iterator[Check]:
    """Check that operations and amounts acknowledged by the services = those in their audit rows."""
    for service in SERVICES.values():
        instance = moment.instances.get(service.dd_service)
        for operation in service.operations if instance else ():
            if operation.writes:
                done = moment.total(
                    "credit_operations_total",
                    service=service.dd_service,
                    operation=operation.name,
                    outcome="ok",
                )
                yield compare(
                    f"acknowledged.{service.name}.{operation.name}",
                    expected=int(done),
                    actual=moment.ledger.get((instance, operation.name), OperationTotals()).count,
                    detail="Since this process started: operations acknowledged = audit rows.",
                )
    for metric, attribute in (("credit_disbursed_brl", "disbursed"), ("credit_paid_brl", "paid")):
        instances = set(moment.instances.values())
        booked = (
            getattr(done, attribute) for (i, _), done in moment.ledger.items() if i in instances
        )
        yield compare(
            f"acknowledged.{attribute}_brl",
            # The counter is a float; its error is far below a cent up to hundreds of billions.
            expected=Decimal(moment.total(f"{metric}_total")).quantize(CENT),
            actual=sum(booked, start=Decimal("0.00")),
            detail="Since these processes started: amounts acknowledged = amounts in audit rows, BRL.",
        )


def shop(start: CounterSnapshot, end: CounterSnapshot) -> Iterator[Check]:
    """Check that the shop's counters = rows in the database, within the window and since the shop started."""
    if start.server_start != end.server_start or start.instances != end.instances:
        yield unknown("shop", "PostgreSQL or a service was restarted within the window.")
        return
    counted = _difference(start.attempted_in_database, end.attempted_in_database)
    for metric, table, action in (
        ("ecommerce_cart_additions_total", "order_items", "insert"),
        ("ecommerce_checkouts_total", "orders", "update"),
    ):
        name = f"shop.{metric.removeprefix('ecommerce_').removesuffix('_total')}"
        expected, actual = int(end.total(metric) - start.total(metric)), counted[table, action]
        if expected != actual and (errors := _errors(start, end)):
            yield unknown(
                name, f"{errors} statements failed within the window; their rows may be counted."
            )
        else:
            yield compare(
                name,
                expected=expected,
                actual=actual,
                detail=f"Within the window: counted by the shop = {action}s of {table}.",
            )
    filed = end.total("credit_proposals_total", service=SHOP, status="submitted")
    yield compare(
        "shop.proposals",
        expected=int(filed),
        actual=end.ledger.get((end.instances[SHOP], "checkout"), OperationTotals()).count,
        detail="Since the shop started: credit proposals filed = audit rows.",
    )


def _errors(start: CounterSnapshot, end: CounterSnapshot) -> int:
    failed = "credit_database_errors_total"
    return int(end.total(failed) - start.total(failed))


def _difference(start: Mapping[Key, int], end: Mapping[Key, int]) -> dict[Key, int]:
    return {key: end[key] - start.get(key, 0) for key in end}
