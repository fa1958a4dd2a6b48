"""(8) Shop: pages and their statements, clicks and rows. Empty where no shop runs."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import SHOP, Section, board, series_in_console
from grafana.generator.panels import HALF, THIRD, Panel, graph, link, note
from grafana.generator.source import Query

WITHOUT = "No shop runs: ./creditlab up --shop"
RATE = "[$__rate_interval]"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SHOP,
        "9 Shop",
        "The shop's pages and their statements, clicks and rows, and the dead tuples of carts.",
        Section(title="Is it the code or the database?", panels=_time()),
        Section(title="One click, one row", panels=_rows()),
        Section(title="Cache and dead tuples of carts", panels=_tables()),
    )


def _time() -> list[Panel]:
    pages = "ecommerce_request_duration_seconds"
    return [
        note(
            "How to read this",
            "If a page is slow and its statements are fast inside PostgreSQL, the database is not the"
            " cause. Slow for the client and fast in PostgreSQL is the network, the interpreter, or a busy"
            " processor. See docs/lesson-shop.md.",
        ),
        graph(
            "Pages: mean time of a request",
            "From a request's arrival at the shop to its answer. The form `add` redirects to the page"
            " `cart`, which is a separate request.",
            style.SECONDS,
            Query(
                expr=f"sum by (page) (rate({pages}_sum[5m])) / sum by (page) (rate({pages}_count[5m]) > 0)",
                legend="{{page}}",
            ),
            width=THIRD,
            empty=WITHOUT,
        ),
        graph(
            "Statements: mean time at the client",
            "Time measured by the shop, including the network and the wait for a processor.",
            style.SECONDS,
            Query(
                expr="sum by (statement)"
                ' (rate(credit_statement_duration_seconds_sum{service="credit-shop"}[5m]))'
                " / sum by (statement)"
                ' (rate(credit_statement_duration_seconds_count{service="credit-shop"}[5m]) > 0)',
                legend="{{statement}}",
            ),
            links=[link("In the console", series_in_console())],
            width=THIRD,
            empty=WITHOUT,
        ),
        graph(
            "Statements: mean time inside PostgreSQL",
            "Execution time in PostgreSQL. Compare it with the other two.",
            style.SECONDS,
            Query(
                expr="statement:pg_stat_statements_seconds_per_call:ratio_rate5m"
                '{user="credit_app", service="credit-shop"}',
                legend="{{statement}}",
            ),
            links=[link("In the console", series_in_console())],
            width=THIRD,
            empty=WITHOUT,
        ),
    ]


def _rows() -> list[Panel]:
    def beside(title: str, description: str, clicks: str, counter: str, table: str) -> Panel:
        selector = f'{{schemaname="shop", relname="{table}"}}'
        return graph(
            title,
            description,
            style.PER_SECOND,
            Query(expr=f"sum(rate({clicks}{RATE}))", legend="application"),
            Query(
                expr=f"sum(rate(pg_stat_user_tables_{counter}{selector}{RATE}))", legend="database"
            ),
            colours=style.SIDES,
            width=HALF,
            empty=WITHOUT,
        )

    return [
        beside(
            "Additions to carts and INSERTs into order_items",
            "One to one. They may differ between two scrapes; `./creditlab verify` compares them exactly.",
            "ecommerce_cart_additions_total",
            "n_tup_ins",
            "order_items",
        ),
        beside(
            "Checkouts and UPDATEs of orders",
            "One to one: only a checkout changes an order.",
            "ecommerce_checkouts_total",
            "n_tup_upd",
            "orders",
        ),
        graph(
            "Active sessions",
            "Visitors that were seen within five minutes.",
            style.COUNT,
            Query(expr="sum(ecommerce_active_sessions)", legend="visitors"),
            width=HALF,
            empty=WITHOUT,
        ),
        graph(
            "Errors by kind",
            "Requests that were refused, and requests with a database error. A few conflicts are"
            " customers whose credit is refused.",
            style.PER_SECOND,
            Query(expr=f"sum by (kind) (rate(ecommerce_errors_total{RATE}))", legend="{{kind}}"),
            width=HALF,
            empty=WITHOUT,
        ),
    ]


def _tables() -> list[Panel]:
    hit, read = (
        "sum by (relname) (rate("
        f'pg_statio_user_tables_heap_blocks_{kind}{{schemaname="shop"}}[$__rate_interval]))'
        for kind in ("hit", "read")
    )
    return [
        graph(
            "Buffer cache hit ratio",
            "Share of table blocks found in the cache, of those requested since the last point. A table"
            " that is written stays in the cache: all three are near one.",
            style.SHARE,
            Query(
                expr=f"{hit} / (({hit} + {read}) > 0)",
                legend="{{relname}}",
            ),
            width=THIRD,
            begins_at=0.9,
            empty=WITHOUT,
        ),
        graph(
            "Rows deleted",
            "Removed from carts by visitors, or deleted with an abandoned cart.",
            style.ROWS_PER_SECOND,
            Query(
                expr=f'sum by (relname) (rate(pg_stat_user_tables_n_tup_del{{schemaname="shop"}}{RATE}))',
                legend="{{relname}}",
            ),
            width=THIRD,
            empty=WITHOUT,
        ),
        graph(
            "Dead tuples",
            "Row versions that no snapshot can see, until the next vacuum. A line that only rises is a"
            " transaction that holds an old snapshot.",
            style.EXACT,
            Query(
                expr='sum by (relname) (pg_stat_user_tables_n_dead_tup{schemaname="shop"})',
                legend="{{relname}}",
            ),
            width=THIRD,
            empty=WITHOUT,
        ),
    ]
