"""The shop's pages against a real database: what a form does, what it refuses, and what is counted."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_receiver import Receiver
from tests.fix_workload import ask, one, running_service, wired_service
from workload.shop import app as module
from workload.shop import shoppers
from workload.shop.carts import MAX_ITEMS, Carts
from workload.shop.telemetry import ERRORS, SESSION_S, ShopTelemetry

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
ITEM = re.compile(r'name="item_id" value="(\d+)"')
SOON_SECONDS = 120
ITEMS = "SELECT product_id, quantity FROM shop.order_items ORDER BY item_id"
ORDERS = "SELECT is_open, payment, total FROM shop.orders ORDER BY order_id"
# The most expensive product that a small credit pays for, and one that no credit does.
BICYCLE, SUNSCREEN = 19, 24


class Shop:
    """A visitor with a cookie jar, on the application in this process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.wired = wired_service(shoppers.SERVICE, database.settings)
        self.telemetry = ShopTelemetry(self.wired.registry)
        self.filed = 0
        self.app = module.create_app(
            Carts(self.wired.database, instance=self.wired.instance),
            self.telemetry,
            filed=self._file,
        )
        self.client = self.app.test_client()

    def _file(self) -> None:
        self.filed += 1

    def post(self, path: str, client: FlaskClient | None = None, **fields: object) -> TestResponse:
        """Send a form with the visitor's own token."""
        client = client or self.client
        token = TOKEN.search(client.get("/products/1").text)
        assert token
        return client.post(path, data={"csrf_token": token[1], **fields})

    def add(self, product_id: int = 1, quantity: int = 1) -> None:
        assert self.post("/cart/add", product_id=product_id, quantity=quantity).status_code == 303

    def only_item(self) -> str:
        [found] = set(ITEM.findall(self.client.get("/cart").text))
        return str(found)

    def value(self, name: str, **labels: str) -> float:
        return self.wired.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def shop(seeded: Database) -> Iterator[Shop]:
    shop = Shop(seeded)
    yield shop
    shop.wired.database.close_idle()


def cpf_of_a_customer(database: Database) -> str:
    return str(one(database, "SELECT cpf FROM customers ORDER BY customer_id LIMIT 1"))


def test_a_cart_is_filled_changed_and_paid_for(shop: Shop) -> None:
    """Add is a row, change and remove change that row, checkout closes the order at its total."""
    shop.add(product_id=1, quantity=2)
    shop.add(product_id=18)
    assert ask(shop.database, ITEMS) == [(1, 2), (18, 1)]
    first, second = dict.fromkeys(ITEM.findall(shop.client.get("/cart").text))
    assert shop.post("/cart/change", item_id=first, quantity=3).status_code == 303
    assert shop.post("/cart/remove", item_id=second).status_code == 303
    assert ask(shop.database, ITEMS) == [(1, 3)]
    assert shop.post("/checkout", payment="pix").status_code == 303
    [(is_open, payment, total)] = ask(shop.database, ORDERS)
    assert (is_open, payment, str(total)) == (False, "pix", "749.70")
    assert "R$ 749.70" in shop.client.get("/orders").text
    assert "Your cart is empty" in shop.client.get("/cart").text


def test_store_credit_files_a_proposal_in_the_same_transaction(shop: Shop) -> None:
    """One pending proposal for the total, with its audit row; the order knows it."""
    before = one(shop.database, "SELECT count(*) FROM credit_proposals")
    shop.add(product_id=BICYCLE, quantity=2)
    cpf = cpf_of_a_customer(shop.database)
    dotted = f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"
    assert shop.post("/checkout", payment="credit", cpf=dotted).status_code == 303
    assert one(shop.database, "SELECT count(*) FROM credit_proposals") == int(str(before)) + 1
    [(status, amount, total, service)] = ask(
        shop.database,
        "SELECT p.status, p.amount, o.total, a.service FROM shop.orders o"
        " JOIN credit_proposals p USING (proposal_id)"
        " JOIN audit_log a ON a.entity = 'proposal' AND a.entity_id = p.proposal_id",
    )
    assert (status, amount, service) == ("pending", total, "credit-shop")
    assert shop.filed == 1
    assert "pending" in shop.client.get("/orders").text


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/cart/add", {"product_id": "1", "quantity": "0"}, 400),
        ("/cart/add", {"product_id": "1", "quantity": "100"}, 400),
        ("/cart/add", {"product_id": "1", "quantity": "1.5"}, 400),
        ("/cart/add", {"product_id": "1", "quantity": "\u0661"}, 400),
        ("/cart/add", {"product_id": "1"}, 400),
        ("/cart/add", {"product_id": "1 OR 1=1", "quantity": "1"}, 400),
        ("/cart/add", {"product_id": "9999", "quantity": "1"}, 409),
        ("/cart/change", {"item_id": "1", "quantity": "2"}, 404),
        ("/cart/remove", {"item_id": "9223372036854775807"}, 404),
        ("/cart/remove", {"item_id": "9223372036854775808"}, 400),
        ("/cart/remove", {"item_id": "1'; DROP TABLE shop.orders --"}, 400),
        ("/checkout", {"payment": "pix"}, 409),
        ("/checkout", {"payment": "gold"}, 400),
        ("/checkout", {"payment": "credit", "cpf": "12345678901"}, 400),
        ("/checkout", {"payment": "credit"}, 400),
        ("/nowhere", {}, 404),
    ],
)
def test_bad_input_answers_4xx_and_changes_nothing(
    shop: Shop, path: str, fields: dict[str, str], status: int
) -> None:
    answer = shop.post(path, None, **fields)
    assert answer.status_code == status
    assert "Sorry" in answer.text
    assert ask(shop.database, ITEMS) == ask(shop.database, ORDERS) == []
    refused = [shop.value("ecommerce_errors_total", kind=kind) for kind in ERRORS]
    assert sum(refused) == 1
    assert shop.value("ecommerce_cart_additions_total") == 0


@pytest.mark.parametrize(
    ("product_id", "quantity", "known"), [(SUNSCREEN, 1, True), (BICYCLE, 1, False)]
)
def test_credit_that_is_not_given_leaves_the_cart_as_it_is(
    shop: Shop, product_id: int, quantity: int, known: bool
) -> None:
    """Too little for any credit, or a valid CPF of no customer: 409, and the cart stays open."""
    shop.add(product_id=product_id, quantity=quantity)
    cpf = cpf_of_a_customer(shop.database) if known else "52998224725"
    assert shop.post("/checkout", payment="credit", cpf=cpf).status_code == 409
    assert ask(shop.database, ORDERS) == [(True, None, None)]
    assert shop.filed == 0


def test_a_cart_has_an_end(shop: Shop) -> None:
    for _ in range(MAX_ITEMS):
        shop.add()
    assert shop.post("/cart/add", product_id=1, quantity=1).status_code == 409
    assert one(shop.database, "SELECT count(*) FROM shop.order_items") == MAX_ITEMS


def test_a_form_without_the_visitors_own_token_is_refused(shop: Shop) -> None:
    """None, a wrong one, and one of another visitor."""
    other = TOKEN.search(shop.app.test_client().get("/products/1").text)
    assert other
    shop.client.get("/")
    for token in (None, "x", "é", other[1]):
        fields = {"product_id": "1", "quantity": "1", **({"csrf_token": token} if token else {})}
        assert shop.client.post("/cart/add", data=fields).status_code == 400
    assert ask(shop.database, ITEMS) == []


def test_nobody_reaches_anothers_cart_or_orders(shop: Shop) -> None:
    shop.add()
    item, stranger = shop.only_item(), shop.app.test_client()
    assert shop.post("/cart/change", stranger, item_id=item, quantity=9).status_code == 404
    assert shop.post("/cart/remove", stranger, item_id=item).status_code == 404
    assert ask(shop.database, ITEMS) == [(1, 1)]
    shop.post("/checkout", payment="pix")
    assert "No orders yet" in stranger.get("/orders").text


def test_a_forged_cookie_is_nobody(shop: Shop) -> None:
    """A cookie with another signature begins a new visit, and its token is worth nothing."""
    shop.add()
    cookie = shop.client.get_cookie("shop")
    assert cookie
    forger = shop.app.test_client()
    forger.set_cookie("shop", cookie.value[:-4] + "AAAA")
    assert "Your cart is empty" in forger.get("/cart").text


def test_the_cookie_and_the_headers_are_those_of_a_shop(shop: Shop) -> None:
    answer = shop.client.get("/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script" not in answer.text


def test_a_body_that_is_too_large_is_refused(shop: Shop) -> None:
    assert shop.post("/cart/add", product_id="1" * 5000, quantity=1).status_code == 413


def test_a_database_that_is_away_is_a_page_and_no_traceback(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shop.wired.database._pool.parameters, "port", 1)
    shop.wired.database.close_idle()
    answer = shop.client.get("/")
    assert answer.status_code == 503
    assert "Traceback" not in answer.text
    assert shop.value("ecommerce_errors_total", kind="database") == 1


def test_sessions_are_active_for_five_minutes() -> None:
    now, registry = [0.0], CollectorRegistry()
    telemetry = ShopTelemetry(registry, clock=lambda: now[0])
    for number in range(3):
        telemetry.saw(UUID(int=number))
        now[0] += 100
    assert registry.get_sample_value("ecommerce_active_sessions") == 3
    now[0] = SESSION_S + 50
    telemetry.saw(UUID(int=1))
    assert registry.get_sample_value("ecommerce_active_sessions") == 2


def test_simulated_visitors_shop_and_every_count_agrees_with_the_database(
    seeded: Database, tmp_path: Path
) -> None:
    """One addition is one INSERT into order_items, one checkout one UPDATE of orders, to the row."""
    settings = seeded.settings.model_copy(
        update={
            "rate_shop_browse": 5.0,
            "rate_shop_abandon": 5.0,
            "rate_shop_buy": 20.0,
            "rate_shop_tidy": 1.0,
        }
    )
    with running_service("shop", settings, tmp_path, {"DD_TRACE_ENABLED": "false"}) as process:
        total = process.total
        wanted: dict[str, Callable[[], bool]] = {
            "fifty additions": lambda: total("ecommerce_cart_additions_total") >= 50,
            "ten checkouts": lambda: total("ecommerce_checkouts_total") >= 10,
            "a proposal": lambda: total("credit_proposals_total") >= 1,
        }
        for what, holds in wanted.items():
            await_state(what, lambda h=holds: None if h() else "fewer", within_s=SOON_SECONDS)  # type: ignore[misc]
        process.client.pause()
        for counter, column, table in (
            ("ecommerce_cart_additions_total", "n_tup_ins", "order_items"),
            ("ecommerce_checkouts_total", "n_tup_upd", "orders"),
        ):
            # A session reports its changes up to some seconds after them.
            await_state(
                f"{counter} is {column} of {table}",
                partial(_difference, seeded, total(counter), _COUNTED.format(column, table)),
                within_s=SOON_SECONDS,
            )
        assert total("credit_proposals_total") == one(
            seeded, "SELECT count(*) FROM audit_log WHERE service = 'credit-shop'"
        )
        [errors] = [
            s.value
            for s in process.client.samples()
            if s.name == "ecommerce_errors_total" and s.labels["kind"] == "database"
        ]
        assert errors == 0
    assert process.popen.returncode == 0


def test_a_trace_runs_from_a_visit_through_http_into_sql(
    seeded: Database, tmp_path: Path, receiver: Receiver
) -> None:
    """Visit, request, statement: one trace, each span the child of the one before."""
    settings = seeded.settings.model_copy(update={"rate_shop_buy": 5.0})
    agent = {
        "DD_TRACE_AGENT_URL": receiver.url,
        "DD_TRACE_WRITER_INTERVAL_SECONDS": "0.2",
        "DD_SERVICE": "credit-shop",
    }

    def path() -> list[str]:
        """The names from an INSERT into order_items up to its root."""
        spans = {span.span_id: span for span in receiver.spans()}
        inserts = [s for s in spans.values() if "INSERT INTO shop.order_items" in s.resource]
        if not inserts:
            return []
        names, span = [], inserts[0]
        while span:
            names.append(span.name)
            span = spans.get(span.parent_id)  # type: ignore[assignment]
        return names

    with running_service("shop", settings, tmp_path, agent):
        await_state(
            "a trace from the visit to the INSERT",
            lambda: None if path()[-1:] == ["credit.operation"] else str(path()),
            within_s=SOON_SECONDS,
        )
    assert path()[0] == "postgres.query"
    assert "flask.request" in path()


def _difference(database: Database, counted: float, query: str) -> str | None:
    [(changed,)] = ask(database, query)
    return None if changed == counted else f"{changed}, not {counted:g}"


_COUNTED = "SELECT {} FROM pg_stat_user_tables WHERE schemaname = 'shop' AND relname = '{}'"
