"""Which rows the shop's operations on a cart read and write: of this visitor, and of an open cart."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from tests.fix_postgres import Database
from tests.fix_workload import ask, wired_service
from tests.portfolio import CUSTOMERS, locked, write
from workload.shop import shoppers
from workload.shop.carts import Carts, RefusedError

pytestmark = pytest.mark.meets_clock
LIMIT_MS = 10_000
ONE, OTHER = UUID(int=1), UUID(int=2)
HAMMOCK, FILTER = 1, 2
ITEMS = "SELECT order_id, product_id, quantity, price::text FROM shop.order_items ORDER BY item_id"
# Half an hour a cart is kept, an order as long as the test says.
ORDERS = """
INSERT INTO shop.orders (order_id, visitor, is_open, opened_at, closed_at, payment, total)
SELECT id, gen_random_uuid(), is_open, now() - opened * interval '1 minute',
    CASE WHEN NOT is_open THEN now() - closed * interval '1 minute' END,
    CASE WHEN NOT is_open THEN 'pix' END, CASE WHEN NOT is_open THEN 1 END
FROM (VALUES
    (901, true, 31, 0), (902, true, 29, 0), (903, false, 300, 61), (904, false, 300, 59), (905, true, 300, 0)
) AS kept (id, is_open, opened, closed);
INSERT INTO shop.order_items (order_id, product_id, quantity, price)
    SELECT order_id, 1, 1, 1 FROM shop.orders WHERE order_id > 900;
"""


@pytest.fixture
def carts(database: Database) -> Iterator[Carts]:
    write(database, CUSTOMERS)
    settings = database.settings.model_copy(update={"workload_statement_timeout_ms": LIMIT_MS})
    wired = wired_service(shoppers.SERVICE, settings)
    yield Carts(wired.database, instance=UUID(int=9))
    wired.database.close_idle()


def cart_of(database: Database, visitor: UUID) -> int:
    [(order,)] = ask(
        database, "SELECT order_id FROM shop.orders WHERE visitor = %s AND is_open", str(visitor)
    )
    return int(order)


def test_the_catalogue_is_ordered_and_a_product_is_found_by_its_id(carts: Carts) -> None:
    """By category and name."""
    shown = [(product.category, product.name) for product in carts.catalogue()]
    assert len(shown) == 24
    assert shown == sorted(shown)
    found = carts.product(FILTER)
    assert found
    assert (found.product_id, found.name, found.category) == (2, "Clay water filter", "Home")
    assert found.price == Decimal("319.00")
    assert carts.product(25) is None


def test_a_visitor_has_one_cart_with_the_products_that_were_added(
    carts: Carts, database: Database
) -> None:
    """At the product's price; nothing of another visitor's cart."""
    carts.add(ONE, HAMMOCK, 2)
    carts.add(OTHER, FILTER, 1)
    carts.add(ONE, FILTER, 3)
    mine, other = cart_of(database, ONE), cart_of(database, OTHER)
    assert ask(database, ITEMS) == [
        (mine, 1, 2, "249.90"), (other, 2, 1, "319.00"), (mine, 2, 3, "319.00")
    ]  # fmt: skip
    shown = [(item.name, item.quantity, item.total) for item in carts.items(ONE)]
    assert shown == [
        ("Hammock, cotton", 2, Decimal("499.80")), ("Clay water filter", 3, Decimal("957.00"))
    ]  # fmt: skip


def test_a_change_or_removal_is_of_one_item_in_the_visitors_own_cart(
    carts: Carts, database: Database
) -> None:
    """Another item, another visitor's and those of a paid order stay as they are."""
    carts.add(ONE, HAMMOCK, 1)
    carts.add(ONE, FILTER, 1)
    carts.add(OTHER, HAMMOCK, 1)
    first, second = carts.items(ONE)
    assert carts.change(ONE, first.item_id, 5)
    assert not carts.change(OTHER, first.item_id, 7)
    assert not carts.remove(OTHER, first.item_id)
    assert [row[2] for row in ask(database, ITEMS)] == [5, 1, 1]
    assert carts.remove(ONE, second.item_id)
    assert [row[2] for row in ask(database, ITEMS)] == [5, 1]
    carts.check_out(ONE, payment="pix", cpf=None)
    assert not carts.change(ONE, first.item_id, 9)
    assert not carts.remove(ONE, first.item_id)
    assert carts.items(ONE) == []
    assert [row[2] for row in ask(database, ITEMS)] == [5, 1]


def test_a_paid_order_is_followed_by_a_new_cart(carts: Carts) -> None:
    """Orders are shown to their visitor, the newest first, without the cart."""
    for product in (HAMMOCK, FILTER):
        carts.add(ONE, product, 1)
        carts.add(ONE, product, 2)
        carts.check_out(ONE, payment="pix", cpf=None)
    carts.add(ONE, HAMMOCK, 1)
    carts.add(OTHER, HAMMOCK, 4)
    carts.check_out(OTHER, payment="pix", cpf=None)
    assert [(o.total, o.payment, o.proposal) for o in carts.orders(ONE)] == [
        (Decimal("957.00"), "pix", None), (Decimal("749.70"), "pix", None)
    ]  # fmt: skip
    assert [item.quantity for item in carts.items(ONE)] == [1]
    with pytest.raises(RefusedError, match="Your cart is empty"):
        carts.check_out(OTHER, payment="pix", cpf=None)


def test_fifty_orders_are_shown(carts: Carts, database: Database) -> None:
    write(
        database,
        "INSERT INTO shop.orders (order_id, visitor, is_open, closed_at, payment, total)"
        f" SELECT 100 + n, '{ONE}', false, now(), 'pix', n FROM generate_series(1, 51) AS n",
    )
    assert [order.order_id for order in carts.orders(ONE)] == list(range(151, 101, -1))


@pytest.mark.parametrize(
    ("price", "product", "installments"),
    [(100, 1, 4), (1000, 2, 12), (1000.01, 2, 12), (5000, 2, 12), (99.99, None, 0), (5000.01, None, 0)],
)  # fmt: skip
def test_store_credit_is_the_cheapest_product_for_the_amount(
    carts: Carts, database: Database, price: float, product: int | None, installments: int
) -> None:
    """Limits included; over the most installments, for the customer of that CPF."""
    write(database, f"UPDATE shop.products SET price = {price} WHERE product_id = {HAMMOCK}")
    carts.add(ONE, HAMMOCK, 1)
    carts.add(OTHER, FILTER, 1)
    if product is None:
        with pytest.raises(RefusedError, match=f"not available for R.* {price:.2f}"):
            carts.check_out(ONE, payment="credit", cpf="00000000004")
        return
    carts.check_out(ONE, payment="credit", cpf="00000000004")
    [filed] = ask(
        database,
        "SELECT proposal_id, customer_id, product_id, amount::float, installments, channel, status"
        " FROM credit_proposals",
    )
    assert filed[1:] == (4, product, price, installments, "partner", "pending")
    orders = "SELECT visitor, proposal_id, is_open FROM shop.orders ORDER BY visitor"
    assert [(UUID(str(row[0])), *row[1:]) for row in ask(database, orders)] == [
        (ONE, filed[0], False), (OTHER, None, True)
    ]  # fmt: skip
    audited = "SELECT service, operation, entity, entity_id, detail FROM audit_log"
    assert ask(database, audited) == [
        ("credit-shop", "checkout", "proposal", filed[0], {"proposal": "submitted"})
    ]
    [order] = carts.orders(ONE)
    assert (order.payment, order.proposal) == ("credit", "pending")


def test_abandoned_carts_and_old_orders_are_deleted_with_their_items(
    carts: Carts, database: Database
) -> None:
    """After half an hour and, here, an hour; not one that another worker holds."""
    write(database, ORDERS)
    with locked(database, "shop.orders", "order_id = 905"):
        assert carts.tidy(hours=1) == 2
        assert carts.tidy(hours=1) == 0
    for table in ("orders", "order_items"):
        left = ask(database, f"SELECT order_id FROM shop.{table} ORDER BY 1")
        assert left == [(902,), (904,), (905,)], table
