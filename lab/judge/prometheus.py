"""Asks Prometheus' HTTP API what it held; the only module of the judge that does."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.judge.evidence import Alert, Series

TIMEOUT_S = 15.0
STEP_S = 2
NS = 1_000_000_000
# The exporter's samples tell their own age, a series that a range query repeats does not.
FRESHEST_SAMPLE = "max(timestamp(pg_up))"
FRESHEST_EVALUATION = "max(prometheus_rule_group_last_evaluation_timestamp_seconds)"


class PrometheusError(LabError):
    """Prometheus does not answer; check `./creditlab status`."""


UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is scraped, and every how many seconds."""

    job: str
    url: str
    every_s: float


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """One Prometheus server, by its address."""

    address: str

    @classmethod
    def of(cls, settings: LabSettings) -> "Prometheus":
        """Return the lab's."""
        host = reachable(settings.bind_address)
        own = f"http://{host}:{settings.prometheus_port}"
        return cls(address=(settings.prometheus_url or own).rstrip("/"))

    def series(self, expr: str, *, since_ns: int, until_ns: int) -> tuple[Series, ...]:
        """Return every series of an expression, evaluated every two seconds.

        Raises:
            PrometheusError: when it does not answer, or calls the expression malformed.
        """
        found = self._api(
            "query_range",
            query=expr,
            start=f"{since_ns / NS:.3f}",
            end=f"{until_ns / NS:.3f}",
            step=str(STEP_S),
        )
        return tuple(
            Series(
                labels=result["metric"],
                points=tuple((round(at * NS), float(value)) for at, value in result["values"]),
            )
            for result in found["result"]
        )

    def times_ns(self, expr: str, *, since_ns: int, until_ns: int) -> list[int]:
        """Return the values of an expression that gives times in seconds, each once, rising."""
        every = self.series(expr, since_ns=since_ns, until_ns=until_ns)
        values = {value for series in every for _, value in series.points}
        return [round(value * NS) for value in sorted(values)]

    def alerts(self, *, since_ns: int, until_ns: int) -> tuple[Alert, ...]:
        """Return what was pending or firing, with the first moments of each."""
        first: dict[tuple[tuple[str, str], ...], dict[str, int]] = {}
        for series in self.series("ALERTS", since_ns=since_ns, until_ns=until_ns):
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

    def now(self, expr: str) -> list[tuple[Mapping[str, str], float]]:
        """Return labels and value of each series of an expression.

        Raises:
            PrometheusError: as `series` does.
        """
        found = self._api("query", query=expr)["result"]
        return [(result["metric"], float(result["value"][1])) for result in found]

    def raw(
        self, selector: str, *, window_s: float
    ) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        """Return labels and raw samples (seconds since 1970, value) of each series in the last seconds.

        Raises:
            PrometheusError: as `series` does.
        """
        found = self._api("query", query=f"{selector}[{window_s:.0f}s]")["result"]
        return [
            (result["metric"], [(float(at), float(value)) for at, value in result["values"]])
            for result in found
        ]

    def targets(self) -> tuple[Target, ...]:
        """Return what it scrapes.

        Raises:
            PrometheusError: as `series` does.
        """
        return tuple(
            Target(
                job=target["labels"]["job"],
                url=target["scrapeUrl"],
                every_s=seconds(target["scrapeInterval"]),
            )
            for target in self._api("targets", state="active")["activeTargets"]
        )

    def link(self, expr: str) -> str:
        """Return where a person sees the graph of an expression."""
        return f"{self.address}/graph?{urllib.parse.urlencode({'g0.expr': expr, 'g0.tab': '0'})}"

    def _api(self, path: str, **parameters: str) -> Mapping[str, Any]:
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http, above
                data: Mapping[str, Any] = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("error", error.reason)
            raise PrometheusError(
                f"Prometheus refuses {parameters.get('query')}: {reason}"
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise PrometheusError(f"Prometheus does not answer {url}: {error}") from error


def seconds(duration: str) -> float:
    """Return a duration, as Prometheus writes it, in seconds.

    >>> seconds("1m30s"), seconds("500ms")
    (90.0, 0.5)
    """
    return sum(
        float(n) * UNITS_S[unit] for n, unit in re.findall(r"(\d{1,18})(ms|[smhd])", duration)
    )
