"""The operations of a visitor on a cart; each function returns whether it was done.

Add is one INSERT into order_items, change one UPDATE, remove one DELETE, and checkout one UPDATE of orders:
so that PostgreSQL's own counters show each.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from workload.database import Database, Row, Session
from workload.errors import WorkloadError
from workload.operation import Facts

MAX_ITEMS = 50
ABANDONED_S = 1800.0
TIDY_AT_ONCE = 200
SERVICE = "credit-shop"


class RefusedError(WorkloadError):
    """A visitor's request was refused; the message is for the visitor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One product; the price in BRL."""

    product_id: int
    name: str
    category: str
    description: str
    price: Decimal

    @classmethod
    def from_row(cls, row: Row) -> "Product":
        """Build from a row of `shop_catalogue` or `shop_product`."""
        return cls(
            product_id=row[0], name=row[1], category=row[2], description=row[3], price=row[4]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One line of a cart; the price of one piece in BRL."""

    item_id: int
    name: str
    quantity: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        """The total of the line."""
        return self.quantity * self.price


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A paid cart; `proposal` is the status of its credit proposal, if it has one."""

    order_id: int
    closed_at: datetime
    total: Decimal
    payment: str
    proposal: str | None


class Carts:
    """Catalogue, carts and orders in the database."""

    def __init__(self, database: Database, *, instance: UUID) -> None:
        self._database = database
        self._instance = instance

    def catalogue(self) -> list[Product]:
        """Return every product."""
        with self._database.autocommit() as session:
            return [Product.from_row(row) for row in session.rows("shop_catalogue")]

    def product(self, product_id: int) -> Product | None:
        """Return one product."""
        with self._database.autocommit() as session:
            row = session.row("shop_product", product_id=product_id)
        return Product.from_row(row) if row else None

    def items(self, visitor: UUID) -> list[Item]:
        """Return the items of a cart."""
        with self._database.autocommit() as session:
            found = session.rows("cart_items", visitor=visitor)
        return [Item(item_id=r[0], name=r[1], quantity=r[2], price=r[3]) for r in found]

    def add(self, visitor: UUID, product_id: int, quantity: int) -> None:
        """Add a product to the cart, which is opened if necessary.

        Raises:
            RefusedError: when the product does not exist, or the cart is full; no cart is then opened.
        """
        with self._database.transaction() as session:
            session.change("open_cart", visitor=visitor)
            added = session.change(
                "add_item",
                visitor=visitor,
                product_id=product_id,
                quantity=quantity,
                most=MAX_ITEMS,
            )
            if not added:
                raise RefusedError(
                    f"Product not found, or your cart already has {MAX_ITEMS} products."
                )

    def change(self, visitor: UUID, item_id: int, quantity: int) -> bool:
        """Change a quantity; False when the item is not in this visitor's cart."""
        with self._database.autocommit() as session:
            return bool(
                session.change("change_item", visitor=visitor, item_id=item_id, quantity=quantity)
            )

    def remove(self, visitor: UUID, item_id: int) -> bool:
        """Remove an item; False when it is not in this visitor's cart."""
        with self._database.autocommit() as session:
            return bool(session.change("remove_item", visitor=visitor, item_id=item_id))

    def check_out(self, visitor: UUID, *, payment: str, cpf: str | None) -> int:
        """Pay for the cart, with a credit proposal if `payment` is credit; return the order's id.

        Raises:
            RefusedError: when the cart is empty, or the credit is refused.
        """
        with self._database.transaction() as session:
            cart = session.row("lock_cart", visitor=visitor)
            [total] = (session.row("cart_total", order_id=cart[0]) if cart else None) or [None]
            if cart is None or total is None:
                raise RefusedError("Your cart is empty.")
            proposal = self._apply(session, total, cpf) if payment == "credit" else 0
            session.change(
                "close_cart",
                order_id=cart[0],
                payment=payment,
                total=total,
                proposal_id=proposal,
            )
        return int(cart[0])

    def _apply(self, session: Session, amount: Decimal, cpf: str | None) -> int:
        """File a credit proposal for the amount; its audit row is part of the same transaction."""
        customer = session.row("shop_customer", cpf=cpf)
        if customer is None:
            raise RefusedError(
                "Store credit is for customers of the bank; this CPF is not a customer's."
            )
        credit = session.row("store_credit", amount=amount)
        if credit is None:
            raise RefusedError(f"Store credit is not available for R$ {amount}.")
        [[proposal_id]] = session.rows(
            "submit_proposal",
            customer_id=customer[0],
            product_id=credit[0],
            amount=amount,
            installments=credit[1],
            channel="partner",
            operation_id=uuid4(),
            instance=self._instance,
            service=SERVICE,
            operation="checkout",
            detail=Facts(proposal="submitted").to_detail(),
        )
        return int(proposal_id)

    def orders(self, visitor: UUID) -> list[Order]:
        """Return a visitor's orders, the newest first."""
        with self._database.autocommit() as session:
            found = session.rows("order_history", visitor=visitor)
        return [
            Order(order_id=r[0], closed_at=r[1], total=r[2], payment=r[3], proposal=r[4])
            for r in found
        ]

    def tidy(self, *, hours: float) -> int:
        """Delete abandoned carts and old orders; return their number."""
        with self._database.transaction() as session:
            old = session.rows(
                "old_orders", abandoned_s=ABANDONED_S, hours=hours, most=TIDY_AT_ONCE
            )
            order_ids = [order_id for (order_id,) in old]
            if order_ids:
                session.change("delete_order_items", order_ids=order_ids)
                session.change("delete_orders", order_ids=order_ids)
        return len(order_ids)
