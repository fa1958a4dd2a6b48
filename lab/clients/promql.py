"""Bounded PromQL queries of a user: any expression, at any time, with limits for series and bytes.

lab/clients/prometheus.py has the queries of the lab itself, whose results are known to be small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from lab.clients import http
from lab.clients.prometheus import Prometheus, PrometheusError, get
from lab.foundation.settings import LabSettings

MAX_BYTES = 20_000_000
TIMEOUT_S = 10.0


class PromQLError(PrometheusError):
    """Prometheus refuses the expression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """One series: its labels, and its points, seconds since 1970 and value as text, oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of an expression.

    Attributes:
        type: vector, matrix, scalar or string.
        series: at most as many as requested.
        found: the number of series that the expression has.
        warnings: of Prometheus, such as on a rate of a gauge.
    """

    type: str
    series: tuple[Sampled, ...]
    found: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromQL:
    """A Prometheus server, for expressions of users.

    Every method raises PromQLError for a refused request, and PrometheusError without an answer.
    """

    url: str
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the client of the lab's Prometheus."""
        return cls(url=Prometheus.of(settings).url)

    def instant(self, expression: str, *, at_s: float, limit: int) -> Result:
        """Evaluate an expression at one time."""
        return self._result("query", limit, query=expression, time=f"{at_s:.3f}")

    def range(
        self, expression: str, *, since_s: float, until_s: float, step_s: float, limit: int
    ) -> Result:
        """Evaluate an expression every `step_s` seconds."""
        window = {"start": f"{since_s:.3f}", "end": f"{until_s:.3f}", "step": f"{step_s:g}"}
        return self._result("query_range", limit, query=expression, **window)

    def label_sets(
        self, selector: str, *, since_s: float, until_s: float
    ) -> Sequence[Mapping[str, str]]:
        """Return the labels of the series of a selector that had samples in a time range."""
        window = {"start": f"{since_s:.3f}", "end": f"{until_s:.3f}"}
        found: list[dict[str, str]] = self._get("series", **{"match[]": selector}, **window)["data"]
        return found

    def metrics(self) -> Mapping[str, Mapping[str, str]]:
        """Return each metric's `type`, `unit` and `help`, as scraped, and the names of recording rules."""
        scraped: dict[str, list[dict[str, str]]] = self._get("metadata")["data"]
        names: list[str] = self._get("label/__name__/values")["data"]
        # A histogram's metadata has its name without _bucket, _count and _sum.
        return {name: _metadata(name, scraped) for name in names}

    def _result(self, endpoint: str, limit: int, **parameters: object) -> Result:
        answer = self._get(endpoint, timeout=f"{self.timeout_s:g}s", **parameters)
        data = answer["data"]
        if data["resultType"] in ("scalar", "string"):
            rows = [{"metric": {}, "value": data["result"]}]
        else:
            rows = data["result"]
        return Result(
            type=data["resultType"],
            series=tuple(_sampled(row) for row in rows[:limit]),
            found=len(rows),
            warnings=tuple([*answer.get("warnings", ()), *answer.get("infos", ())][:5]),
        )

    def _get(self, endpoint: str, **parameters: object) -> Any:
        try:
            body = get(self.url, endpoint, parameters, self.timeout_s + 1, MAX_BYTES + 1)
            answer = msgspec.json.decode(body) if len(body) <= MAX_BYTES else None
        except (http.NoResponseError, msgspec.DecodeError) as error:
            raise PrometheusError(
                f"Prometheus does not answer at {self.url}: {error}.\n"
                "Check `./creditlab status`; `./creditlab up` starts it."
            ) from error
        if answer is None:
            raise PromQLError(
                f"The answer of Prometheus is larger than {MAX_BYTES // 1_000_000} MB. Aggregate with"
                " sum by (...) or topk, or use a shorter time range or a larger step."
            )
        if answer.get("status") != "success":
            raise PromQLError(
                f"Prometheus refuses the request ({answer.get('errorType')}): {answer.get('error')}"
            )
        return answer


def _sampled(row: Mapping[str, Any]) -> Sampled:
    points = row["values"] if "values" in row else [row["value"]] if "value" in row else []
    # Native histograms have buckets instead of a value.
    native = row.get("histograms") or ([row["histogram"]] if "histogram" in row else [])
    shown = [*points, *((at, f"histogram of {each.get('count')} values") for at, each in native)]
    return Sampled(labels=row["metric"], points=tuple((at, value) for at, value in shown))


def _metadata(name: str, scraped: Mapping[str, Sequence[Mapping[str, str]]]) -> Mapping[str, str]:
    for suffix in ("", "_total", "_bucket", "_count", "_sum", "_created", "_info"):
        if name.endswith(suffix) and (found := scraped.get(name.removesuffix(suffix))):
            return {key: value for key, value in found[0].items() if value}
    return {"type": "recording rule"} if ":" in name else {}
