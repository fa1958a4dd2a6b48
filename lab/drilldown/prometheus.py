"""Prometheus' HTTP API, as far as the drilldown asks it: a value now, and values over time."""

import http.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings

TIMEOUT_S = 3.0


class PrometheusAwayError(LabError):
    """Prometheus does not answer; check `./creditlab status`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSeries:
    """One series: its labels, and its values by second since 1970."""

    labels: Mapping[str, str]
    values: Mapping[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A Prometheus at an address such as http://127.0.0.1:9091."""

    url: str

    @classmethod
    def of(cls, settings: LabSettings) -> "Prometheus":
        """Return the lab's own."""
        own = f"http://{reachable(settings.bind_address)}:{settings.prometheus_port}"
        return cls(url=settings.prometheus_url or own)

    def now(self, expression: str) -> list[TimeSeries]:
        """Return the value of an expression now.

        Raises:
            PrometheusAwayError: when there is no answer in time, or a refusal.
        """
        return _series(self._get("query", {"query": expression}), "value")

    def over_time(
        self, expression: str, *, since: datetime, until: datetime, step_s: int
    ) -> list[TimeSeries]:
        """Return the values of an expression from `since` to `until`, both included.

        Raises:
            PrometheusAwayError: when there is no answer in time, or a refusal.
        """
        window = {"start": since.timestamp(), "end": until.timestamp(), "step": step_s}
        return _series(self._get("query_range", {"query": expression, **window}), "values")

    def _get(self, endpoint: str, parameters: Mapping[str, object]) -> Iterable[dict[str, Any]]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        path = f"{parts.path.rstrip('/')}/api/v1/{endpoint}?{urlencode(parameters)}"
        try:
            connection.request("GET", path)
            answer = msgspec.json.decode(connection.getresponse().read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise PrometheusAwayError(
                f"Prometheus does not answer at {self.url}: {error}"
            ) from error
        finally:
            connection.close()
        if answer.get("status") != "success":
            raise PrometheusAwayError(f"Prometheus at {self.url} refuses: {answer.get('error')}")
        result: Iterable[dict[str, Any]] = answer["data"]["result"]
        return result


def _series(result: Iterable[dict[str, Any]], key: str) -> list[TimeSeries]:
    return [
        TimeSeries(
            labels=row["metric"],
            values={
                float(at): float(value)
                for at, value in (row[key] if key == "values" else [row[key]])
            },
        )
        for row in result
    ]
