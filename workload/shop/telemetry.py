"""The shop's own metrics, under the names of the original lesson."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workload.clocks import SECONDS

SESSION_S = 300.0
MAX_SESSIONS = 10_000
PAGES = ("catalogue", "product", "cart", "add", "change", "remove", "checkout", "orders", "other")
ERRORS = ("bad_request", "not_found", "conflict", "database")
PAYMENTS = ("pix", "credit")


class ShopTelemetry:
    """Counters, a histogram and a gauge; every label value starts at zero."""

    def __init__(
        self, registry: CollectorRegistry, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._clock = clock
        self._seen: dict[UUID, float] = {}
        self._lock = Lock()
        self.additions = Counter(
            "ecommerce_cart_additions", "Products added to carts", registry=registry
        )
        self.checkouts = Counter(
            "ecommerce_checkouts", "Checkouts, by payment", ("payment",), registry=registry
        )
        self.errors = Counter(
            "ecommerce_errors",
            "Requests refused or failed, by kind",
            ("kind",),
            registry=registry,
        )
        self.requests = Histogram(
            "ecommerce_request_duration_seconds",
            "Seconds from a request's arrival at the shop to its answer, by page",
            ("page",),
            buckets=SECONDS,
            registry=registry,
        )
        sessions = Gauge(
            "ecommerce_active_sessions",
            "Visitors seen within the last five minutes",
            registry=registry,
        )
        sessions.set_function(self._active)
        for payment in PAYMENTS:
            self.checkouts.labels(payment)
        for kind in ERRORS:
            self.errors.labels(kind)
        for page in PAGES:
            self.requests.labels(page)

    def saw(self, visitor: UUID) -> None:
        """A visitor requested a page."""
        with self._lock:
            self._seen.pop(visitor, None)
            if len(self._seen) >= MAX_SESSIONS:
                del self._seen[next(iter(self._seen))]
            self._seen[visitor] = self._clock()

    def _active(self) -> float:
        """Remove inactive visitors; the dictionary is ordered by last visit."""
        oldest = self._clock() - SESSION_S
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < oldest:
                del self._seen[next(iter(self._seen))]
            return len(self._seen)
