"""Simulated visitors: real HTTP, with cookies and forms, so that a trace starts at the client.

A visit is one arrival of the engine, with random actions. A visit that finds the shop unavailable,
or gets an error from it, counts as failed.
"""

import re
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from workload.errors import WorkloadError
from workload.operation import NOTHING, Call, Operation, Result, Service
from workload.shop.carts import SERVICE as DD_SERVICE
from workload.shop.carts import Carts

TIMEOUT_S = 15.0
LOOPBACK = "127.0.0.1"
# In a container the shop listens on all addresses.
UNSPECIFIED = {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PRODUCT = re.compile(r'href="/products/(\d+)"')
ITEM = re.compile(r'name="item_id" value="(\d+)"')
MOST_ADDED = 4
MOST_OF_ONE = 3
CREDIT_SHARE = 0.3
CHANGE_SHARE = 0.5
REMOVE_SHARE = 0.3
# A refused store credit is not an error of the shop.
EXPECTED = {HTTPStatus.OK, HTTPStatus.CONFLICT}


class ShopFailedError(WorkloadError):
    """The shop did not answer a simulated visitor as it should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page."""

    status: HTTPStatus
    text: str


class Visitor:
    """One visit: a connection, a cookie, and the last page."""

    def __init__(self, call: Call) -> None:
        host, port = call.settings.bind_address, call.settings.shop_port
        self._connection = HTTPConnection(
            LOOPBACK if host in UNSPECIFIED else host, port, timeout=TIMEOUT_S
        )
        self._rng = call.random
        # W3C's header: the shop's spans continue the trace of the visit.
        ids = call.span.ids
        trace = f"00-{ids.trace_id:032x}-{ids.span_id:016x}-01" if ids else None
        self._headers = {"traceparent": trace} if trace else {}
        self._cookie = ""
        self.page = Page(status=HTTPStatus.OK, text="")

    def browse_product(self) -> str:
        """Open the catalogue and one product; return the product's id."""
        self._get("/")
        product_id = self._rng.choice(PRODUCT.findall(self.page.text))
        self._get(f"/products/{product_id}")
        return str(product_id)

    def fill(self) -> None:
        """Add some products to the cart, and sometimes remove one."""
        for _ in range(self._rng.randint(1, MOST_ADDED)):
            product_id = self.browse_product()
            quantity = self._rng.randint(1, MOST_OF_ONE)
            self._post("/cart/add", product_id=product_id, quantity=str(quantity))
        items = ITEM.findall(self.page.text)
        if self._rng.random() < CHANGE_SHARE:
            quantity = self._rng.randint(1, MOST_OF_ONE)
            self._post("/cart/change", item_id=self._rng.choice(items), quantity=str(quantity))
        if self._rng.random() < REMOVE_SHARE:
            self._post("/cart/remove", item_id=self._rng.choice(items))

    def check_out(self, cpf: str) -> bool:
        """Pay, sometimes by store credit; False when there was nothing to pay or no credit."""
        if not ITEM.search(self.page.text):
            return False
        if self._rng.random() < CREDIT_SHARE:
            self._post("/checkout", payment="credit", cpf=cpf)
        else:
            self._post("/checkout", payment="pix")
        return self.page.status is HTTPStatus.OK

    def close(self) -> None:
        """Close the connection; the cart stays as it is."""
        self._connection.close()

    def _get(self, path: str) -> None:
        self._ask("GET", path)

    def _post(self, path: str, **fields: str) -> None:
        token = TOKEN.search(self.page.text)
        if token is None:
            raise ShopFailedError(f"the page has no form for {path}")
        answer = self._ask("POST", path, urlencode({"csrf_token": token[1], **fields}))
        if answer:
            self._get(answer)

    def _ask(self, method: str, path: str, body: str | None = None) -> str | None:
        """Send one request; return the target of its redirect."""
        headers = {**self._headers, **({"Cookie": self._cookie} if self._cookie else {})}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as error:
            raise ShopFailedError(f"the shop does not answer {method} {path}: {error}") from error
        cookies = SimpleCookie(response.headers.get("Set-Cookie", ""))
        for name, morsel in cookies.items():
            self._cookie = f"{name}={morsel.value}"
        status = HTTPStatus(response.status)
        if status is HTTPStatus.SEE_OTHER:
            return response.headers["Location"]
        if status not in EXPECTED:
            raise ShopFailedError(f"the shop answers {method} {path} with status {status}")
        self.page = Page(status=status, text=text)
        return None


def browse(call: Call) -> Result:
    """View a product, and leave."""
    with closing(Visitor(call)) as visitor:
        visitor.browse_product()
    return Result()


def abandon(call: Call) -> Result:
    """Fill a cart, and leave it."""
    with closing(Visitor(call)) as visitor:
        visitor.fill()
    return Result()


def buy(call: Call) -> Result:
    """Fill a cart and pay for it."""
    _, cpf = call.random.choice(call.reference.get().customers)
    with closing(Visitor(call)) as visitor:
        visitor.fill()
        bought = visitor.check_out(cpf)
    return Result() if bought else NOTHING


def tidy(call: Call) -> Result:
    """Delete old data, to limit the disk usage of a shop that runs for a week."""
    carts = Carts(call.database, instance=call.instance)
    gone = carts.tidy(hours=call.settings.workload_retention_hours)
    return Result(tags={"credit.orders": gone}) if gone else NOTHING


SERVICE = Service(
    name="shop",
    port=lambda settings: settings.shop_port,
    threads=lambda settings: settings.workload_threads,
    operations=(
        Operation(name="shop_browse", run=browse, rate=lambda s: s.rate_shop_browse, writes=False),
        Operation(
            name="shop_abandon", run=abandon, rate=lambda s: s.rate_shop_abandon, writes=False
        ),
        Operation(name="shop_buy", run=buy, rate=lambda s: s.rate_shop_buy, writes=False),
        Operation(name="shop_tidy", run=tidy, rate=lambda s: s.rate_shop_tidy, writes=False),
    ),
)
assert SERVICE.dd_service == DD_SERVICE
