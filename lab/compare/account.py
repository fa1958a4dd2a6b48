"""The Datadog side from an account: series by Datadog's API.

Sessions, plans, settings and schema that the Agent sent are in no public API: these answers come from the
intake's copy. A statement is a `query_signature` in the account, and has a queryid in the copy.
"""

from collections.abc import Mapping

from lab.compare.answers import Answer, cannot
from lab.compare.intake import APPLICATION, Datadog, Metric, Work
from lab.datadog.account import Account
from lab.datadog.api import Api, Series
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType

# `reported_hostname` in datadog/conf.d/postgres.d/conf.yaml.
HOST = "credit-lab-postgres"


class DatadogAccount(Datadog):
    """A Datadog account, and the intake's copy for data that no API has.

    `api` must be open while this is used. The first error of the API is kept in `trouble`, and ends its use.
    """

    def __init__(self, settings: LabSettings, since_s: float, account: Account, api: Api) -> None:
        super().__init__(settings, since_s)
        self._account = account
        self._api = api
        self._until_s = int(clock.now_s())
        self._since_s = self._until_s - round(since_s)
        self._newest_s = 0.0

    @property
    def source(self) -> str:
        """What this column is read from."""
        return (
            f"the API of {self._account.site}; sessions, plans, settings and schema, which no API has,"
            " from the intake's copy"
        )

    def work(self, names: Mapping[int, str]) -> Mapping[str, Work]:
        """Return calls and time of the application's statements, by name; `names` are by queryid."""
        known = ((d.signature, names.get(d.queryid)) for d in self.deltas if d.queryid)
        signatures = {signature: name for signature, name in known if name}
        calls = self._of_statements("count", signatures)
        nanoseconds = self._of_statements("time", signatures)
        return {
            name: Work(calls=calls[name], seconds=nanoseconds.get(name, 0.0) / NS_PER_S)
            for name in calls
        }

    def work_answer(self, value: float) -> Answer:
        """Return an answer from the data of `work`."""
        return self._answer(value, "postgresql.queries.count", self._newest_s)

    def metric(self, asked: Metric) -> Answer:
        """Return the value of a metric over all its series."""
        scope = ",".join(filter(None, (f"host:{HOST}", asked.tag)))
        # A `rate` of the check is a gauge of the account, to which as_count() does nothing.
        is_rate = KEPT_METRICS.get(asked.name) is CheckType.RATE
        as_count = ".as_count()" if asked.total and not is_rate else ""
        found = self._asked(f"sum:{asked.name}{{{scope}}}{as_count}")
        if self.trouble:
            return cannot(self.trouble)
        if not any(series.points for series in found):
            return cannot(f"no series {asked.name} in the account")
        total = _integral if is_rate else _total
        value = sum(total(series) if asked.total else _latest(series) for series in found)
        return self._answer(value, asked.name, _newest_s(found))

    def _of_statements(self, measure: str, signatures: Mapping[str, str]) -> Mapping[str, float]:
        scope = f"host:{HOST},user:{APPLICATION}"
        found = self._asked(
            f"sum:postgresql.queries.{measure}{{{scope}}} by {{query_signature}}.as_count()"
        )
        self._newest_s = max(self._newest_s, _newest_s(found))
        totals: dict[str, float] = {}
        for series in found:
            if name := signatures.get(series.tags.get("query_signature", "")):
                totals[name] = totals.get(name, 0.0) + _total(series)
        return totals

    def _asked(self, query: str) -> list[Series]:
        if self.trouble:
            return []
        try:
            return self._api.series(query, since_s=self._since_s, until_s=self._until_s)
        except LabError as error:
            self.trouble = str(error)
            return []

    def _answer(self, value: float, metric: str, newest_s: float) -> Answer:
        return Answer(
            value=value,
            age_s=round(clock.now_s() - newest_s, 1),
            resolution_s=10.0,
            where=f"{self._account.web_url}/metric/explorer?exp_metric={metric}",
        )


def _total(series: Series) -> float:
    return sum(value for _, value in series.points)


def _integral(series: Series) -> float:
    return _total(series) * series.interval_s


def _latest(series: Series) -> float:
    return series.points[-1][1] if series.points else 0.0


def _newest_s(found: list[Series]) -> float:
    """When the last point ends: Datadog stamps each with the beginning of its interval."""
    return max((s.points[-1][0] + s.interval_s for s in found if s.points), default=0.0)
