"""docs/metrics.md against workload/metrics.py, and both against Prometheus' own tools."""

import re
import subprocess
import urllib.request
from pathlib import Path

import yaml

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_postgres import Database
from tests.fix_prometheus import promtool
from tests.fix_workload import running_service
from tests.promql import metric_names
from workload.metrics import TABLE, Declaration, Kind

PAGE = (ROOT / "docs" / "metrics.md").read_text()
ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]+) \|(?P<unit>[^|]*)\| .+ \|$",
    re.MULTILINE,
)
EXAMPLES = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
UNITS = {"_seconds": "seconds", "_brl_total": "BRL", "_rate": "operations per second"}
SOON_SECONDS = 120


def stored(declaration: Declaration) -> str:
    return f"{declaration.name}_total" if declaration.kind is Kind.COUNTER else declaration.name


def series() -> set[str]:
    """Return the names of all samples that the table's metrics become."""
    parts = ("_bucket", "_count", "_sum")
    return {
        f"{stored(d)}{part}"
        for d in TABLE
        for part in (parts if d.kind is Kind.HISTOGRAM else ("",))
    }


def test_the_page_lists_every_metric_in_the_order_of_the_table() -> None:
    """Name, type and labels as declared; and no undeclared metric."""
    listed = [
        (row["name"], row["type"], tuple(re.findall(r"`(\w+)`", row["labels"])))
        for row in ROW.finditer(PAGE)
    ]
    assert listed == [(stored(d), d.kind, d.labels) for d in TABLE]


def test_a_unit_in_the_name_is_the_unit_on_the_page() -> None:
    for row in ROW.finditer(PAGE):
        for suffix, unit in UNITS.items():
            if row["name"].endswith(suffix):
                assert row["unit"].strip() == unit, row["name"]


def test_every_metric_is_in_an_example_and_every_example_reads_metrics_that_exist() -> None:
    read = {name for example in EXAMPLES for name in metric_names(example)}
    assert read <= series()
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in read}
    assert bases == {stored(declaration) for declaration in TABLE}


def test_promtool_accepts_every_example(tmp_path: Path) -> None:
    """As recording rules, since promtool checks no expression by itself."""
    rules = [{"record": f"example:{n}", "expr": text} for n, text in enumerate(EXAMPLES)]
    file = tmp_path / "examples.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}))
    reported = subprocess.run(
        [promtool().path, "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert f"{len(EXAMPLES)} rules found" in reported.stdout


def test_promtool_accepts_the_page_of_a_running_service(seeded: Database, tmp_path: Path) -> None:
    """All five services at work, every declared metric on the page, not one complaint."""
    settings = seeded.settings.model_copy(update={"workload_load": 10.0})
    with running_service("all", settings, tmp_path, {"DD_TRACE_ENABLED": "false"}) as process:
        await_state(
            "all metrics have samples",
            lambda: (
                str(missing)
                if (missing := series() - names(fetch(process.client.address)))
                else None
            ),
            within_s=SOON_SECONDS,
        )
        page = fetch(process.client.address)
    reported = subprocess.run(
        [promtool().path, "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (reported.returncode, reported.stdout + reported.stderr) == (0, "")


def test_promtool_would_complain() -> None:
    """The check can fail: a counter without its suffix is found."""
    reported = subprocess.run(
        [promtool().path, "check", "metrics"],
        input="# HELP credit_arrivals Operations.\n# TYPE credit_arrivals counter\ncredit_arrivals 1\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode != 0


def fetch(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
        return text


def names(page: str) -> set[str]:
    """Return the names of all samples of a page."""
    return set(re.findall(r"^(credit_\w+)[{ ]", page, re.MULTILINE))
