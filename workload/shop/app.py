"""The shop's pages, as a Flask application: catalogue, cart, checkout, order history; plain HTML, no script.

A request either succeeds, or answers 4xx and changes nothing. A database error is
a page with status 503, counted, and never a traceback.
"""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import TypeAlias

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from workload.errors import WorkloadError
from workload.shop import guard
from workload.shop.carts import Carts, RefusedError
from workload.shop.telemetry import PAGES, PAYMENTS, ShopTelemetry

View: TypeAlias = Callable[..., ResponseReturnValue]

MAX_BODY = 4096
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KINDS = {HTTPStatus.NOT_FOUND: "not_found", HTTPStatus.CONFLICT: "conflict"}


def create_app(
    carts: Carts,
    telemetry: ShopTelemetry,
    *,
    filed: Callable[[], None],
    secret_key: str | None = None,
) -> Flask:
    """Return the application.

    Args:
        carts: the shop's database.
        telemetry: receives every request.
        filed: receives every credit proposal that was filed.
        secret_key: signs the cookies; None: a new one, so that a restart ends all visitors' sessions.
    """
    app = Flask("workload.shop")
    app.config.update(
        SECRET_KEY=secret_key or secrets.token_hex(32),
        SESSION_COOKIE_NAME="shop",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_PARTS=20,
    )
    app.jinja_env.globals.update(token=guard.token, most=guard.MAX_QUANTITY)
    app.add_template_filter(lambda amount: f"R$ {amount:,.2f}", "brl")
    _pages(app, carts)
    _forms(app, carts, telemetry, filed)
    _around(app, telemetry)
    return app


def _pages(app: Flask, carts: Carts) -> None:
    @app.get("/")
    def catalogue() -> ResponseReturnValue:
        return render_template("catalogue.html", products=carts.catalogue())

    @app.get("/products/<int(max=32767):product_id>")
    def product(product_id: int) -> ResponseReturnValue:
        found = carts.product(product_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND, "Product not found.")
        return render_template("product.html", product=found)

    @app.get("/cart")
    def cart() -> ResponseReturnValue:
        items = carts.items(guard.visitor())
        total = sum((item.total for item in items), start=0)
        return render_template("cart.html", items=items, total=total, payments=PAYMENTS)

    @app.get("/orders")
    def orders() -> ResponseReturnValue:
        return render_template("orders.html", orders=carts.orders(guard.visitor()))


def _forms(app: Flask, carts: Carts, telemetry: ShopTelemetry, filed: Callable[[], None]) -> None:
    @app.post("/cart/add")
    def add() -> ResponseReturnValue:
        quantity = guard.number("quantity", most=guard.MAX_QUANTITY)
        carts.add(guard.visitor(), guard.number("product_id", most=32767), quantity)
        telemetry.additions.inc()
        return redirect(url_for("cart"), HTTPStatus.SEE_OTHER)

    @app.post("/cart/change")
    def change() -> ResponseReturnValue:
        quantity = guard.number("quantity", most=guard.MAX_QUANTITY)
        if not carts.change(guard.visitor(), guard.number("item_id"), quantity):
            abort(HTTPStatus.NOT_FOUND, "This item is not in your cart.")
        return redirect(url_for("cart"), HTTPStatus.SEE_OTHER)

    @app.post("/cart/remove")
    def remove() -> ResponseReturnValue:
        if not carts.remove(guard.visitor(), guard.number("item_id")):
            abort(HTTPStatus.NOT_FOUND, "This item is not in your cart.")
        return redirect(url_for("cart"), HTTPStatus.SEE_OTHER)

    @app.post("/checkout")
    def checkout() -> ResponseReturnValue:
        payment = request.form.get("payment", "")
        if payment not in PAYMENTS:
            abort(HTTPStatus.BAD_REQUEST, "Pay by pix or by credit.")
        by_credit = payment == "credit"
        cpf = guard.cpf() if by_credit else None
        carts.check_out(guard.visitor(), payment=payment, cpf=cpf)
        telemetry.checkouts.labels(payment).inc()
        if by_credit:
            filed()
        return redirect(url_for("orders"), HTTPStatus.SEE_OTHER)


def _around(app: Flask, telemetry: ShopTelemetry) -> None:
    """Handlers before and after every request, and for errors."""

    @app.before_request
    def begin() -> None:
        g.began = perf_counter()
        if request.endpoint == "static":
            return
        telemetry.saw(guard.visitor())
        if request.method == "POST":
            guard.check_token()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.update(HEADERS)
        page = request.endpoint if request.endpoint in PAGES else "other"
        telemetry.requests.labels(page).observe(perf_counter() - g.began)
        return response

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        telemetry.errors.labels(KINDS.get(status, "bad_request")).inc()
        return _message(error.description or status.phrase, status)

    @app.errorhandler(RefusedError)
    def cannot(error: RefusedError) -> ResponseReturnValue:
        telemetry.errors.labels("conflict").inc()
        return _message(str(error), HTTPStatus.CONFLICT)

    @app.errorhandler(WorkloadError)
    def failed(error: WorkloadError) -> ResponseReturnValue:
        app.logger.error("%s", error)
        telemetry.errors.labels("database").inc()
        return _message("The shop is temporarily unavailable.", HTTPStatus.SERVICE_UNAVAILABLE)


def _message(text: str, status: HTTPStatus) -> tuple[str, int]:
    return render_template("message.html", text=text), status
