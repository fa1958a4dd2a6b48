"""What a simulated visitor does in the shop, for known draws of the dice, over HTTP."""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from tests.fix_postgres import Database, free_port
from tests.fix_workload import Wired, ask, wired_service
from tests.portfolio import CUSTOMERS, write
from workload.http_server import serve
from workload.operation import Outcome
from workload.shop import shoppers
from workload.shop.app import create_app
from workload.shop.carts import Carts
from workload.shop.telemetry import ShopTelemetry

Chosen = TypeVar("Chosen")
ITEMS = "SELECT product_id, quantity FROM shop.order_items ORDER BY item_id"
ORDERS = "SELECT is_open, payment FROM shop.orders ORDER BY order_id"
NEVER, ALWAYS = 0.99, 0.0


class Dice(random.Random):
    """Draws the given numbers; chooses the first of all, but the last product of the catalogue."""

    def __init__(self, shares: Sequence[float], numbers: Sequence[int]) -> None:
        super().__init__()
        self._shares, self._numbers = iter(shares), iter(numbers)
        self.limits: list[tuple[int, int]] = []

    def random(self) -> float:
        return next(self._shares)

    def randint(self, a: int, b: int) -> int:
        self.limits.append((a, b))
        return next(self._numbers)

    def randrange(self, *bounds: int) -> int:  # type: ignore[override]
        return bounds[0]

    def choice(self, seq: Sequence[Chosen]) -> Chosen:  # type: ignore[override]
        return seq[-1] if len(seq) > 20 else seq[0]


@dataclass
class Mall:
    """The shop, a database, and the visitors' service."""

    database: Database
    wired: Wired
    filed: list[str] = field(default_factory=list)

    def visit(
        self, operation: str, shares: Sequence[float] = (), numbers: Sequence[int] = ()
    ) -> Any:
        dice = Dice(shares, numbers)
        self.wired.runner._random = dice
        self.wired.runner._reference._rng = dice
        result = self.wired.run(operation)
        assert list(dice._shares) == list(dice._numbers) == [], "every draw is used"
        return result, dice.limits


@pytest.fixture
def mall(database: Database) -> Iterator[Mall]:
    write(database, f"{CUSTOMERS} UPDATE customers SET cpf = '52998224725' WHERE customer_id = 3")
    port = free_port()
    settings = database.settings.model_copy(update={"shop_port": port})
    wired = wired_service(shoppers.SERVICE, settings)
    mall = Mall(database=database, wired=wired)
    app = create_app(
        Carts(wired.database, instance=wired.instance),
        ShopTelemetry(wired.registry),
        filed=lambda: mall.filed.append("a proposal"),
    )
    serve(app.wsgi_app, address="127.0.0.1", port=port, setting="SHOP_PORT")
    yield mall
    wired.database.close_idle()


def last_product(database: Database) -> int:
    [(product,)] = ask(
        database, "SELECT product_id FROM shop.products ORDER BY category DESC, name DESC LIMIT 1"
    )
    return int(product)


def test_a_visitor_views_a_product_and_leaves(mall: Mall) -> None:
    result, _ = mall.visit("shop_browse")
    assert result.outcome is Outcome.OK
    pages = {
        page: mall.wired.registry.get_sample_value(
            "ecommerce_request_duration_seconds_count", {"page": page}
        )
        for page in ("catalogue", "product", "cart", "other")
    }
    assert pages == {"catalogue": 1, "product": 1, "cart": 0, "other": 0}
    assert ask(mall.database, ORDERS) == []


def test_a_cart_is_filled_and_left(mall: Mall) -> None:
    """Up to four products, up to three of each; half change a quantity, three in ten remove an item."""
    product = last_product(mall.database)
    result, limits = mall.visit("shop_abandon", (0.5, 0.3), (2, 3, 1))
    assert result.outcome is Outcome.OK
    assert limits == [(1, 4), (1, 3), (1, 3)]
    assert ask(mall.database, ITEMS) == [(product, 3), (product, 1)]
    assert ask(mall.database, ORDERS) == [(True, None)]


def test_a_quantity_is_changed_and_an_item_removed(mall: Mall) -> None:
    """The next visitor has a cart of its own."""
    product = last_product(mall.database)
    _, limits = mall.visit("shop_abandon", (0.49, NEVER), (2, 1, 1, 3))
    assert limits == [(1, 4), (1, 3), (1, 3), (1, 3)]
    assert ask(mall.database, ITEMS) == [(product, 3), (product, 1)]
    mall.visit("shop_abandon", (NEVER, 0.29), (2, 1, 2))
    assert ask(mall.database, ITEMS) == [(product, 3), (product, 1), (product, 2)]
    assert ask(mall.database, ORDERS) == [(True, None), (True, None)]


def test_most_pay_by_pix_and_three_in_ten_by_credit(mall: Mall) -> None:
    """With the CPF of a customer of the bank."""
    write(mall.database, "UPDATE shop.products SET price = 200")
    paid, _ = mall.visit("shop_buy", (NEVER, NEVER, 0.3), (1, 1))
    assert paid.outcome is Outcome.OK
    assert mall.filed == []
    credited, _ = mall.visit("shop_buy", (NEVER, NEVER, 0.29), (1, 2))
    assert credited.outcome is Outcome.OK
    assert ask(mall.database, ORDERS) == [(False, "pix"), (False, "credit")]
    assert mall.filed == ["a proposal"]
    proposals = "SELECT customer_id, amount::int FROM credit_proposals"
    assert ask(mall.database, proposals) == [(3, 400)]


def test_nothing_is_bought_with_an_empty_cart_or_without_credit(mall: Mall) -> None:
    """A refusal of the credit is no error of the shop."""
    emptied, _ = mall.visit("shop_buy", (NEVER, ALWAYS), (1, 1))
    assert emptied.outcome is Outcome.NOTHING
    write(mall.database, "UPDATE shop.products SET price = 5")
    refused, _ = mall.visit("shop_buy", (NEVER, NEVER, ALWAYS), (1, 1))
    assert refused.outcome is Outcome.NOTHING
    assert ask(mall.database, ORDERS) == [(True, None), (True, None)]


def test_a_shop_that_fails_is_an_error_of_the_visit(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the page and what was wrong: the status, or that there is no answer."""
    monkeypatch.setitem(mall.wired.database._pool.parameters, "port", 1)
    mall.wired.database.close_idle()
    failed, _ = mall.visit("shop_browse")
    assert failed.outcome is Outcome.ERROR
    assert "the shop answers GET / with status 503" in caplog.text
    closed = mall.wired.settings.model_copy(update={"shop_port": free_port()})
    monkeypatch.setattr(mall.wired.runner, "_settings", closed)
    with caplog.at_level(logging.ERROR):
        unreachable, _ = mall.visit("shop_browse")
    assert unreachable.outcome is Outcome.ERROR
    assert "the shop does not answer GET /: " in caplog.text


def test_old_carts_are_tidied_up(mall: Mall) -> None:
    assert mall.visit("shop_tidy")[0].outcome is Outcome.NOTHING
    mall.visit("shop_abandon", (NEVER, NEVER), (1, 1))
    write(mall.database, "UPDATE shop.orders SET opened_at = now() - interval '31 minutes'")
    assert mall.visit("shop_tidy")[0].tags == {"credit.orders": 1}
    assert ask(mall.database, ORDERS) == []
