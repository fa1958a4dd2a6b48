"""Client of Datadog's API, for `datadog push`, drills and `compare`; only this module imports its library.

The library's models validate requests. Responses are read as plain JSON, because a model would drop or reject
fields that it does not know.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import (
    ApiException,
    ForbiddenException,
    OpenApiException,
    UnauthorizedException,
)
from datadog_api_client.rest import ClientRetry
from datadog_api_client.v1.api.dashboards_api import DashboardsApi
from datadog_api_client.v1.api.events_api import EventsApi
from datadog_api_client.v1.api.metrics_api import MetricsApi
from datadog_api_client.v1.api.monitors_api import MonitorsApi
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from lab.datadog.account import Account
from lab.datadog.definitions import PROJECT, Kind
from lab.foundation.errors import LabError

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
DASHBOARDS_A_PAGE = 100
MESSAGE_LENGTH = 500

Body = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatadogSeries:
    """One series of a query: `points` of (seconds since 1970, value), each for `interval_s`."""

    tags: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    interval_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A query sample of Database Monitoring; `plan` is the signature of its plan, if it has one."""

    signature: str | None
    plan: str | None
    service: str | None
    statement: str | None


class _WhenAskedToWait(ClientRetry):
    """Retries after 429 only: after a 5xx or a lost response the monitor may have been created."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        del method, has_retry_after
        return status_code == 429  # noqa: PLR2004


class Api:
    """One account's monitors, dashboards, events and series. Every method raises `LabError` when refused."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = ApiClient(
            Configuration(  # type: ignore[no-untyped-call]
                host=account.api_url,
                api_key={"apiKeyAuth": account.api_key, "appKeyAuth": account.app_key},
                preload_content=False,
                request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                retry_policy=_WhenAskedToWait(total=3, connect=0, read=0, backoff_factor=2),
            )
        )
        self._monitors = MonitorsApi(self._client)  # type: ignore[no-untyped-call]
        self._dashboards = DashboardsApi(self._client)  # type: ignore[no-untyped-call]
        self._events = EventsApi(self._client)  # type: ignore[no-untyped-call]
        self._metrics = MetricsApi(self._client)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def stored(self, kind: Kind) -> list[Body]:
        """Return the account's monitors of this project, or all its dashboards in short form."""
        with self._asking(f"the list of {kind}s"):
            if kind is Kind.MONITOR:
                return _objects(_json(self._monitors.list_monitors(monitor_tags=PROJECT)))
            return list(self._pages_of_dashboards())

    def _pages_of_dashboards(self) -> Iterator[Body]:
        start = 0
        while True:
            answer = self._dashboards.list_dashboards(count=DASHBOARDS_A_PAGE, start=start)
            page = _objects(_object(_json(answer))["dashboards"])
            yield from page
            if len(page) < DASHBOARDS_A_PAGE:
                return
            start += len(page)

    def dashboard(self, key: str) -> Body:
        """Return a dashboard in full."""
        with self._asking(f"dashboard {key}"):
            return _object(_json(self._dashboards.get_dashboard(key)))

    def validate(self, title: str, body: Body, key: str | None) -> None:
        """Let Datadog validate a monitor, above all its query, without storing it."""
        # Here and below: the library accepts plain JSON where it declares a model.
        document = cast("Any", body)
        with self._asking(f'the check of "{title}"'):
            if key is None:
                _json(self._monitors.validate_monitor(document))
            else:
                _json(self._monitors.validate_existing_monitor(int(key), document))

    def write(self, kind: Kind, title: str, body: Body, key: str | None) -> str:
        """Create (without a key) or replace, and return Datadog's id."""
        document = cast("Any", body)
        with self._asking(f'writing "{title}"'):
            if kind is Kind.MONITOR:
                answer: object = (
                    self._monitors.create_monitor(document)
                    if key is None
                    else self._monitors.update_monitor(int(key), document)
                )
            else:
                answer = (
                    self._dashboards.create_dashboard(document)
                    if key is None
                    else self._dashboards.update_dashboard(key, document)
                )
            return str(_object(_json(answer))["id"])

    def event(self, *, title: str, text: str, at_s: int, tags: list[str]) -> None:
        """Create an event in the account's timeline; `at_s` in seconds since 1970."""
        body: Body = {"title": title, "text": text, "date_happened": at_s, "tags": tags}
        with self._asking(f'the event "{title}"'):
            _json(self._events.create_event(cast("Any", body)))

    def series(self, query: str, *, since_s: int, until_s: int) -> list[DatadogSeries]:
        """Return the series of a metrics query between two times, in seconds since 1970."""
        with self._asking(f"the query {query}"):
            answer = _object(_json(self._metrics.query_metrics(since_s, until_s, query)))
            if answer.get("status") == "error":
                raise LabError(
                    f"{self._account.api_url} refuses the query {query}: {answer['error']}"
                )
            return [_series(one) for one in _objects(answer["series"])]

    def samples(self, query: str, *, since_s: int, until_s: int, limit: int) -> list[Sample]:
        """Return query samples and plans of Database Monitoring, the newest first.

        By the endpoint of Datadog's guide to the DBM API; it requires an application key without scopes.
        """
        wanted = {
            "indexes": ["databasequery"],
            "limit": limit,
            "search": {"query": query},
            "sorts": [{"time": {"order": "desc"}}],
            "time": {"from": 1000 * since_s, "to": 1000 * until_s},
        }
        with self._asking("the samples of Database Monitoring"):
            answer = self._client.call_api(
                "/api/v1/logs-analytics/list",
                "POST",
                query_params=[("type", "databasequery")],
                header_params={
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                    "DD-API-KEY": self._account.api_key,
                    "DD-APPLICATION-KEY": self._account.app_key,
                },
                body={"list": wanted},
                preload_content=False,
                request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                host=self._account.web_url,
            )
            events = _objects(_object(_object(_json(answer))["result"])["events"])
            return [_sample(_object(one["event"])) for one in events]

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except (UnauthorizedException, ForbiddenException) as error:
            raise LabError(
                f"{self._account.api_url} refuses {what}: {self._words(error)}\n"
                "A key is valid at its own site only: is DD_SITE the site of your account? Both keys must"
                " belong to one organization,\nand the application key needs the scopes monitors_read,"
                " monitors_write, dashboards_read and dashboards_write to push, timeseries_query to compare"
                " (or no scopes: then it has all permissions, also those that DBM's samples need)."
            ) from None
        except ApiException as error:
            raise LabError(
                f"{self._account.api_url} cannot do {what}: {self._words(error)}"
            ) from None
        except OpenApiException as error:
            raise LabError(f"Datadog's API does not accept {what}: {error}") from None
        except HTTPError as error:
            raise LabError(
                f"{self._account.api_url} does not answer: {self._account.hide(_reason(error))}\n"
                "Check the network, a proxy, and DD_SITE."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(
                f"{self._account.api_url} answered {what} with a response that is not of Datadog's API"
                f" ({error}).\nIs there a proxy or a captive portal?"
            ) from None

    def _words(self, error: ApiException) -> str:
        body = error.body
        errors = body.get("errors") if isinstance(body, dict) else None
        said = "; ".join(map(str, errors)) if isinstance(errors, list) else str(body or "")
        text = " ".join(f"{error.status or ''} {error.reason or ''} {said}".split())
        return self._account.hide(text)[:MESSAGE_LENGTH]


def _json(answer: object) -> Any:
    if not isinstance(answer, HTTPResponse):
        raise TypeError(f"{type(answer).__name__} where an HTTP response was expected")
    return json.loads(answer.data)


def _object(value: Any) -> Body:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} where an object was expected")
    return value


def _objects(value: Any) -> list[Body]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} where a list was expected")
    return [_object(item) for item in value]


def _series(found: Body) -> DatadogSeries:
    points = ((at_ms / 1000, value) for at_ms, value in found["pointlist"])
    return DatadogSeries(
        tags=dict(tag.split(":", 1) for tag in found["tag_set"]),
        points=tuple((at, float(value)) for at, value in points if value is not None),
        interval_s=float(found["interval"]),
    )


def _sample(event: Body) -> Sample:
    custom = _object(event.get("custom") or {})
    db, plan = _object(custom.get("db") or {}), None
    if isinstance(db.get("plan"), dict):
        plan = db["plan"].get("signature")
    tags = [tag for tag in event.get("tags") or () if isinstance(tag, str)]
    services = [tag.removeprefix("service:") for tag in tags if tag.startswith("service:")]
    return Sample(
        signature=db.get("query_signature"),
        plan=plan,
        service=custom.get("service") or event.get("service") or next(iter(services), None),
        statement=db.get("statement"),
    )


def _reason(error: HTTPError) -> str:
    return str(getattr(error, "reason", None) or error)
