"""Client of Prometheus' HTTP API: instant and range queries, raw samples, alerts, targets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from lab.clients import http
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

STEP_S = 2
UNITS_S = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "y": 31_536_000.0,
}


# The severity of Watchdog is none.
ALERTS = 'ALERTS{severity!="none"}'


class PrometheusError(LabError):
    """Prometheus does not answer; check `./creditlab status`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One series: its labels, and its points, nanoseconds since 1970 and value, oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[int, float], ...]

    @property
    def value(self) -> float:
        """The latest value."""
        return self.points[-1][1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert that was pending or firing, with the first sample of each state in the time range."""

    name: str
    labels: Mapping[str, str]
    pending_ns: int | None
    firing_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A scrape target and its scrape interval in seconds."""

    job: str
    url: str
    every_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A Prometheus server at an address such as http://127.0.0.1:9091.

    Every method raises PrometheusError when there is no answer within `timeout_s`, or an error response.
    """

    url: str
    timeout_s: float = 3.0

    @classmethod
    def of(cls, settings: LabSettings, *, timeout_s: float = 3.0) -> "Prometheus":
        """Return the client of the lab's Prometheus."""
        own = f"http://{reachable(settings.bind_address)}:{settings.prometheus_port}"
        return cls(url=(settings.prometheus_url or own).rstrip("/"), timeout_s=timeout_s)

    def now(self, expression: str, *, at_ns: int | None = None) -> list[Series]:
        """Return each series of an expression with its value now, or at a time."""
        found = self._get("query", query=expression, **_at(at_ns))
        return [_series(row, [row["value"]]) for row in found]

    def series(
        self, expression: str, *, since_ns: int, until_ns: int, step_s: int = STEP_S
    ) -> tuple[Series, ...]:
        """Return each series of an expression, evaluated every `step_s` from `since_ns` to `until_ns`."""
        window = {"start": f"{since_ns / NS_PER_S:.3f}", "end": f"{until_ns / NS_PER_S:.3f}"}
        found = self._get("query_range", query=expression, step=step_s, **window)
        return tuple(_series(row, row["values"]) for row in found)

    def raw(self, selector: str, *, window_s: float, at_ns: int | None = None) -> list[Series]:
        """Return each series of a selector with its raw samples of the `window_s` seconds before a time."""
        found = self._get("query", query=f"{selector}[{window_s:.0f}s]", **_at(at_ns))
        return [_series(row, row["values"]) for row in found]

    def times_ns(self, expression: str, *, since_ns: int, until_ns: int) -> list[int]:
        """Return the values of an expression that evaluates to times in seconds, distinct and ascending."""
        every = self.series(expression, since_ns=since_ns, until_ns=until_ns)
        values = {value for series in every for _, value in series.points}
        return [round(value * NS_PER_S) for value in sorted(values)]

    def alerts(self, *, since_ns: int, until_ns: int) -> tuple[Alert, ...]:
        """Return the alerts that were pending or firing, without Watchdog, which always fires."""
        first: dict[tuple[tuple[str, str], ...], dict[str, int]] = {}
        for series in self.series(ALERTS, since_ns=since_ns, until_ns=until_ns):
            labels = dict(series.labels)
            state = labels.pop("alertstate")
            labels.pop("__name__", None)
            first.setdefault(tuple(sorted(labels.items())), {})[state] = series.points[0][0]
        return tuple(
            Alert(
                name=dict(key)["alertname"],
                labels=dict(key),
                pending_ns=states.get("pending"),
                firing_ns=states.get("firing"),
            )
            for key, states in first.items()
        )

    def targets(self) -> tuple[Target, ...]:
        """Return the active targets."""
        return tuple(
            Target(
                job=target["labels"]["job"],
                url=target["scrapeUrl"],
                every_s=seconds(target["scrapeInterval"]),
            )
            for target in self._get("targets", state="active")
        )

    def exemplars(self, expression: str, *, since_ns: int, until_ns: int) -> set[str]:
        """Return the trace ids of the exemplars of an expression's series."""
        window = {"start": f"{since_ns / NS_PER_S:.3f}", "end": f"{until_ns / NS_PER_S:.3f}"}
        found = self._get("query_exemplars", query=expression, **window)
        labels = (one["labels"] for series in found for one in series["exemplars"])
        return {label["trace_id"] for label in labels if "trace_id" in label}

    def retention_s(self) -> float:
        """Return how long samples are kept, by the server's flag; a size may end it earlier."""
        [found] = self._get("status/runtimeinfo")
        return seconds(str(found["storageRetention"]).partition(" ")[0])

    def _get(self, endpoint: str, **parameters: object) -> list[Any]:
        try:
            answer = msgspec.json.decode(get(self.url, endpoint, parameters, self.timeout_s))
        except (http.NoResponseError, msgspec.DecodeError) as error:
            raise PrometheusError(f"Prometheus does not answer at {self.url}: {error}") from error
        if answer.get("status") != "success":
            query = parameters.get("query", endpoint)
            raise PrometheusError(
                f"Prometheus at {self.url} refuses {query}: {answer.get('error')}"
            )
        data = answer["data"]
        if endpoint == "targets":
            data = data["activeTargets"]
        elif isinstance(data, dict):
            data = data.get("result", [data])
        found: list[Any] = data
        return found


def get(
    url: str,
    endpoint: str,
    parameters: Mapping[str, object],
    timeout_s: float,
    most_bytes: int | None = None,
) -> bytes:
    """Return the response of an endpoint of the API, an error response also; see `http.send`."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/api/v1/{endpoint}?{urlencode(parameters)}"
    return http.send(
        "GET", parts.hostname or "", parts.port, path, timeout_s=timeout_s, most_bytes=most_bytes
    ).body


def _at(at_ns: int | None) -> dict[str, str]:
    return {} if at_ns is None else {"time": f"{at_ns / NS_PER_S:.3f}"}


def _series(row: Mapping[str, Any], points: list[tuple[float, str]]) -> Series:
    return Series(
        labels=row["metric"],
        points=tuple((round(at * NS_PER_S), float(value)) for at, value in points),
    )


def seconds(duration: str) -> float:
    """Return a duration, as Prometheus writes it, in seconds.

    >>> seconds("1m30s"), seconds("500ms")
    (90.0, 0.5)
    """
    return sum(
        float(n) * UNITS_S[unit] for n, unit in re.findall(r"(\d{1,18})(ms|[smhdwy])", duration)
    )
