"""Every query of every dashboard against a live Prometheus: the five services run, no data is synthetic.

What Grafana would show as "No data" fails here, and so does what Prometheus would refuse.
"""

import math
import time
import urllib.error
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.clients.database import Role, rows
from lab.drills.assessment import Assessment
from lab.drills.journal import Journal, Step
from lab.drills.runner import Run
from lab.drills.running import DrillFiles
from lab.foundation import statefile
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Verdict
from lab.stack.native.cluster import Cluster
from tests.awaiting import found_within
from tests.dashboards import FILES, Target, filled, load, panels, targets, variables
from tests.fix_embedded import observed
from tests.fix_postgres import Database, free_port
from tests.fix_prometheus import (
    Prometheus,
    exporter_command,
    exporter_settings,
    running_exporter,
    running_prometheus,
)
from tests.fix_workload import cloned, running_service
from tests.promql import metric_names
from workload.metrics import TABLE

pytestmark = pytest.mark.timeout(600)

# Statements that run once in ten seconds must have run, been scraped twice, and been recorded.
DATA_SECONDS = 180
SHOWN_SECONDS = 60
SCRAPE_SECONDS = 3
MARKED_SECONDS = 120
# What is empty while the observers agree, nothing is wrong, and no statement ran at the moment of a scrape.
GOOD_IF_EMPTY = {
    "Only the exporter",
    "Only DBM",
    "Alerts firing",
    "Sessions that ran it by wait event",
}
DASHBOARDS = {file.stem: load(file) for file in FILES}
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


@pytest.fixture(scope="module")
def database(cluster: Cluster, seeded_template: str) -> Iterator[Database]:
    """A seeded database that these tests share."""
    with cloned(cluster, seeded_template) as database:
        yield database


@pytest.fixture(scope="module")
def services(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    """The settings of the services, the shop, a console and an embedded agent, which run for each release."""
    folder = tmp_path_factory.mktemp("dashboards")
    settings = exporter_settings(database, folder)
    judge_a_drill(DrillFiles(Paths.of(settings)))
    # When autovacuum comes by is chance.
    with database.connect(Role.SUPERUSER) as connection, connection.cursor() as cursor:
        cursor.execute("VACUUM audit_log")
    with (
        observed(settings) as (settings, console),
        running_service("all", settings, folder, {"DD_TRACE_AGENT_URL": console.url}),
        running_service("shop", settings, folder),
        one_session_waits(database),
    ):
        yield settings


@pytest.fixture(scope="module")
def prometheus(
    services: LabSettings,
    monitoring: Path,  # noqa: ARG001 - what runs, for each release
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """Prometheus, once it has seen the services, the exporter and its own rules at work."""
    settings = services.model_copy(
        update={
            "lab_state_dir": tmp_path_factory.mktemp("prometheus"),
            "exporter_port": free_port(),
        }
    )
    with (
        running_exporter(settings, exporter_command(settings)),
        running_prometheus(settings, "proposals", "shop", interval_s=SCRAPE_SECONDS) as prometheus,
    ):
        yield prometheus


@contextmanager
def one_session_waits(database: Database) -> Iterator[None]:
    """One session waits for the lock of another, so each scrape finds a pair and an active session."""
    wait = "SELECT pg_advisory_lock(42)"
    with (
        database.connect(Role.LAB) as blocker,
        database.connect(Role.LAB) as waiter,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        rows(blocker, wait)
        waiting = pool.submit(rows, waiter, wait)
        try:
            yield
        finally:
            rows(blocker, "SELECT pg_advisory_unlock(42)")
            waiting.result()


def judge_a_drill(place: DrillFiles) -> None:
    """Write the journal and the verdicts of a drill that every observer detected."""
    run = "0" * 12
    done = Run(
        run=run, drill="row-lock", intensity=1.0, injected_ns=1, proven_ns=2, proof="", pids=(),
        held=True, healed_ns=3,
    )  # fmt: skip
    verdicts = tuple(Verdict(observer=one, seen=Seen.SEEN, after_s=1.0) for one in Observer)
    assessment = Assessment(run=done, verdicts=verdicts, other_alerts=())
    statefile.write(place.runs / f"{run}.json", assessment.encoded())
    Journal(place.journal).write(run, "row-lock", Step.INJECT)
    Journal(place.journal).write(run, "row-lock", Step.VERDICT)


def ask(prometheus: Prometheus, where: str, path: str, **parameters: str) -> Any:
    """Return the answer of Prometheus; an error fails the test with its reason."""
    try:
        return prometheus.api(path, **parameters)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{where}: {error.read().decode()}\n{parameters}") from None


def chosen(prometheus: Prometheus, dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return the value of each variable as on a first visit."""
    values: dict[str, str] = {}
    for variable in variables(dashboard):
        options = options_of(prometheus, variable.selector, variable.label, values)
        if variable.current and variable.current != ".*":
            assert variable.current in options, f"${variable.name} starts with what is not there"
        values[variable.name] = variable.current or next(iter(options), "")
    return values


def options_of(
    prometheus: Prometheus, selector: str, label: str, values: Mapping[str, str]
) -> list[str]:
    """Return the values that a variable offers."""
    found: list[str] = ask(
        prometheus, selector, f"label/{label}/values", **{"match[]": filled(selector, values)}
    )
    return found


def has_data(prometheus: Prometheus, target: Target, values: Mapping[str, str]) -> bool:
    """Run one query like its panel, and return whether the result has a number."""
    query = filled(target.expr, values)
    if target.instant:
        answer = ask(prometheus, target.where, "query", query=query)
        points = [sample["value"] for sample in answer["result"]]
    else:
        now = time.time()
        answer = ask(
            prometheus,
            target.where,
            "query_range",
            query=query,
            start=str(now - SHOWN_SECONDS),
            end=str(now),
            step="5",
        )
        points = [point for series in answer["result"] for point in series["values"]]
    return any(math.isfinite(float(value)) for _, value in points)


@each_dashboard
def test_every_query_of_every_panel_returns_data(prometheus: Prometheus, name: str) -> None:
    """With the variables as on a first visit, no panel is empty, the rarest event included."""
    dashboard = DASHBOARDS[name]

    def empty() -> str | None:
        if not all(options_of(prometheus, v.selector, v.label, {}) for v in first(dashboard)):
            return "a variable offers nothing"
        values = chosen(prometheus, dashboard)
        missing = [
            t.where
            for t in targets(dashboard)
            if t.where.split(", ")[1] not in GOOD_IF_EMPTY and not has_data(prometheus, t, values)
        ]
        return f"no data for {missing}" if missing else None

    await_state(
        f"every panel of {name} has data", empty, within_s=DATA_SECONDS, every_s=SCRAPE_SECONDS
    )


@each_dashboard
def test_every_value_of_every_variable_can_be_chosen(prometheus: Prometheus, name: str) -> None:
    """Prometheus accepts each query for each value, for instance of a statement that has no name."""
    dashboard = DASHBOARDS[name]
    values = chosen(prometheus, dashboard)
    for variable in variables(dashboard):
        options = options_of(prometheus, variable.selector, variable.label, values)
        assert options, f"${variable.name} offers nothing"
        for option in options:
            for target in targets(dashboard):
                has_data(prometheus, target, {**values, variable.name: option})


@each_dashboard
def test_every_metric_that_a_panel_reads_is_scraped(prometheus: Prometheus, name: str) -> None:
    """`or vector(0)` would hide a misspelt name. Failures and alerts appear with the first one."""
    read = names_read(name)
    with_the_first_failure = {"ALERTS"} | {
        f"{metric.name}_total"
        for metric in TABLE
        if metric.name in ("credit_database_errors", "credit_operation_retries")
    }

    def unscraped() -> str | None:
        scraped = set(ask(prometheus, name, "label/__name__/values"))
        return str(missing) if (missing := read - scraped - with_the_first_failure) else None

    await_state(f"every metric of {name} is scraped", unscraped, within_s=DATA_SECONDS)


@each_dashboard
def test_every_query_has_data_in_the_scrape_set_of_docker(
    prometheus: Prometheus, name: str
) -> None:
    """Which is that of these tests without the embedded agent: a real Agent is not scraped."""

    def scraped(component: str) -> set[str]:
        selector = f'{{__name__=~".+", component{component}"datadog"}}'
        return set(ask(prometheus, name, "label/__name__/values", **{"match[]": selector}))

    assert names_read(name) & (scraped("=") - scraped("!=")) == set()
    assert not any('component="datadog"' in target.expr for target in targets(DASHBOARDS[name]))


def names_read(dashboard: str) -> set[str]:
    """Return the metrics that a dashboard reads."""
    found = (metric_names(filled(one.expr, {})) for one in targets(DASHBOARDS[dashboard]))
    return set().union(*found)


def test_every_query_to_which_a_span_leads_returns_data(prometheus: Prometheus) -> None:
    """Grafana replaces $__tags by the labels of the span's statement."""
    text = (ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text()
    [traces] = [
        source
        for source in yaml.safe_load(text.replace("$$", "$"))["datasources"]
        if source["type"] == "jaeger"
    ]
    queries = traces["jsonData"]["tracesToMetrics"]["queries"]

    def empty() -> str | None:
        missing = [
            query["name"]
            for query in queries
            if not has_data(
                prometheus,
                Target(
                    where=query["name"],
                    expr=query["query"].replace("$__tags", 'statement="customer_by_cpf"'),
                    instant=False,
                ),
                {},
            )
        ]
        return f"no data for {missing}" if missing else None

    await_state("every query of a span has data", empty, within_s=DATA_SECONDS)


def test_the_duration_of_operations_leads_to_traces(prometheus: Prometheus) -> None:
    """Each query that draws exemplars has some, and each exemplar names a trace."""
    drawn = [
        (name, query["expr"])
        for name, dashboard in DASHBOARDS.items()
        for panel in panels(dashboard)
        for query in panel.get("targets", [])
        if query.get("exemplar")
    ]
    assert len(drawn) == 3

    def of(name: str, expr: str) -> list[str]:
        values = chosen(prometheus, DASHBOARDS[name])
        series = ask(
            prometheus, name, "query_exemplars", query=filled(expr, values), start="0",
            end=str(time.time()),
        )  # fmt: skip
        return [e["labels"]["trace_id"] for found in series for e in found["exemplars"]]

    for name, expr in drawn:
        trace_ids = found_within(DATA_SECONDS, f"exemplars of {expr}", partial(of, name, expr))
        assert {len(trace_id) for trace_id in trace_ids} == {32}


def test_a_blocked_session_is_marked_on_every_dashboard(
    prometheus: Prometheus, database: Database
) -> None:
    """Every mark is a valid query; that of blocked sessions rises above 0 while there are any."""
    marks = {
        annotation["name"]: filled(annotation["expr"], {"instance": ".+"})
        for dashboard in DASHBOARDS.values()
        for annotation in dashboard["annotations"]["list"]
    }
    for name, expr in marks.items():
        ask(prometheus, name, "query", query=expr)

    def unmarked() -> str | None:
        blocked = [value for _, value in prometheus.query(marks["Blocked sessions"])]
        return None if any(value > 0 for value in blocked) else f"blocked: {blocked}"

    with ExitStack() as stack:
        holder, waiter = (
            stack.enter_context(database.connect(role)) for role in (Role.OWNER, Role.OWNER)
        )
        pool = stack.enter_context(ThreadPoolExecutor())
        rows(holder, "BEGIN")
        rows(holder, "LOCK TABLE seed_manifest")
        waiting = pool.submit(rows, waiter, "SELECT count(*) FROM seed_manifest")
        try:
            await_state("the blocked session is marked", unmarked, within_s=MARKED_SECONDS)
        finally:
            rows(holder, "ROLLBACK")
            waiting.exception()


def first(dashboard: Mapping[str, Any]) -> list[Any]:
    """Return the variables that depend on no other."""
    return [variable for variable in variables(dashboard) if "$" not in variable.selector]
