"""Reference data that the services cache between operations: catalogue, id ranges, some CPFs.

It is read again when it is older than a minute, so it may be stale by that much:
an operation must handle a row that no longer exists.
"""

import random
import threading
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from time import monotonic

from workload.database import Database, Row
from workload.errors import UnseededError

MAX_AGE_S = 60.0
SAMPLE_SIZE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One row of credit_products; amounts in BRL, rate per month."""

    product_id: int
    code: str
    min_amount: Decimal
    max_amount: Decimal
    min_installments: int
    max_installments: int
    monthly_rate: Decimal
    min_score: int

    @classmethod
    def from_row(cls, row: Row) -> "Product":
        """Build from a row of the statement `catalogue`."""
        return cls(
            product_id=row[0],
            code=row[1],
            min_amount=row[2],
            max_amount=row[3],
            min_installments=row[4],
            max_installments=row[5],
            monthly_rate=row[6],
            min_score=row[7],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The state of the reference data at one moment."""

    products: tuple[Product, ...]
    customer_ids: tuple[int, int]
    contract_ids: tuple[int, int]
    customers: tuple[tuple[int, str], ...]

    def product(self, product_id: int) -> Product:
        """Return a product by id."""
        return next(p for p in self.products if p.product_id == product_id)


class Reference:
    """Reference data of one service, shared by its threads."""

    def __init__(self, database: Database, rng: random.Random) -> None:
        self._database = database
        self._rng = rng
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0

    def get(self) -> Snapshot:
        """Return data at most a minute old; one thread reads while the others use the previous data.

        Raises:
            UnseededError: when there are no products or no customers.
        """
        if self._snapshot is None:
            with self._lock:
                if self._snapshot is None:
                    self._refresh()
        elif monotonic() - self._read_at > MAX_AGE_S and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._snapshot  # type: ignore[return-value] # _refresh has set it or has raised

    def _refresh(self) -> None:
        with self._database.autocommit() as session:
            products = tuple(Product.from_row(row) for row in session.rows("catalogue"))
            customers = session.row("customer_range") or (0, 0)
            contracts = session.row("contract_range") or (0, 0)
            sample = session.rows("sample_customers", **self._steps(*customers))
        if not products or not sample:
            raise UnseededError
        self._snapshot = Snapshot(
            products=products,
            customer_ids=(customers[0], customers[1]),
            contract_ids=(contracts[0], contracts[1]),
            customers=tuple((row[0], row[1]) for row in sample),
        )
        self._read_at = monotonic()

    def _steps(self, first: int, last: int) -> dict[str, int]:
        """Return the ids of a sample of customers: a random start in the first step, then equal steps.

        Adjacent ids would be similar: older customers have more proposals.
        """
        step = max(1, ceil((last - first + 1) / SAMPLE_SIZE))
        return {"first": self._rng.randrange(first, first + step), "last": last, "step": step}
