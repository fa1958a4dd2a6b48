"""A stand-in for a checkout of integrations-core, for `DATADOG_AGENT=check`: base package and postgres check.

They use the Agent's modules as Datadog's do: `datadog_agent` and `aggregator`. Nothing is to be installed, as
YAML comes with the stand-in.
"""

import shutil
from pathlib import Path

import yaml

PYPROJECT = """[project]
name = "{name}"
dynamic = ["version"]
requires-python = ">={python}"

[project.optional-dependencies]
deps = {requirements}
"""
NAMESPACE = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
BASE = """
import aggregator


class AgentCheck:
    def __init__(self, name, init_config, instances):
        self.instance = instances[0]
        self.check_id = ""

    def metric(self, kind, name, value, tags):
        number = getattr(aggregator, kind)
        aggregator.submit_metric(self, self.check_id, number, name, value, tags, self.host, False)

    @property
    def host(self):
        return self.instance["reported_hostname"]

    def run(self):
        try:
            self.check(self.instance)
        except Exception as error:
            return repr(error)
        return ""

    def cancel(self):
        pass
"""
CHECK = """
import json
import time

import aggregator
import datadog_agent
from datadog_checks.base import AgentCheck

print("a check may print")
SPAN = "67405d1f00000000a1b2c3d4e5f60718-a1b2c3d4e5f60719"
TEXT = (
    "/*ddps='credit-risk',traceparent='00-" + SPAN + "-01'*/"
    " SELECT 1 FROM customers WHERE cpf = '39053344705'"
)
FILTER = "(cpf = '39053344705'::bpchar)"
PLAN = {"Plan": {"Node Type": "Seq Scan", "Relation Name": "customers", "Filter": FILTER}}
CONNECTIONS = {
    "application_name": "a", "state": "idle", "usename": "u", "datname": "d", "connections": 3
}


class PostgreSql(AgentCheck):
    calls = 0

    def check(self, instance):
        datadog_agent.unknown_function("of a newer Agent")
        self.calls += 1
        tags = ["db:" + instance["dbname"], "port:%s" % instance["port"], *instance["tags"]]
        self.metric("GAUGE", "postgresql.uptime", 42.0, tags)
        self.metric("GAUGE", "postgresql.not_kept", 1.0, tags)
        self.metric("HISTOGRAM", "postgresql.dd.operation.time", 1.0, tags)
        self.metric("MONOTONIC_COUNT", "postgresql.deadlocks.count", 5.0 * self.calls, tags)
        self.metric("RATE", "postgresql.commits", 30.0 * self.calls, tags)
        aggregator.submit_service_check(
            self, self.check_id, "postgres.can_connect", 0, tags, self.host, "secret 39053344705"
        )
        found = json.loads(datadog_agent.obfuscate_sql(TEXT, "{}"))
        plan = json.dumps(PLAN)
        common = {
            "host": self.host,
            "timestamp": time.time() * 1000,
            "ddagentversion": datadog_agent.get_version(),
        }
        statement = {
            "query_signature": "a1b2c3d4e5f60718",
            "statement": found["query"],
            "metadata": {"comments": found["metadata"]["comments"]},
            "plan": {
                "definition": datadog_agent.obfuscate_sql_exec_plan(plan),
                "signature": datadog_agent.obfuscate_sql_exec_plan(plan, normalize=True),
            },
        }
        self.event("dbm-samples", {**common, "dbm_type": "plan", "db": statement, "postgres": {"pid": 7}})
        self.event("dbm-activity", {
            **common, "dbm_type": "activity", "collection_interval": 10, "postgres_activity": [],
            "postgres_connections": [CONNECTIONS],
        })
        row = {"query_signature": "a1b2c3d4e5f60718", "queryid": 77, "calls": 4, "query": found["query"]}
        self.event("dbm-metrics", {**common, "postgres_rows": [row]})
        if instance["password"] != "Datadog!Passw0rd":
            raise ValueError("the password is another")

    def event(self, track, event):
        aggregator.submit_event_platform_event(self, self.check_id, json.dumps(event), track)
"""


def install(
    directory: Path,
    version: str = "23.0.0",
    python: str = "3.8",
    requirements: str = "[]",
) -> Path:
    """Create the checkout, and return its directory."""
    for project, package, text, number in (
        ("datadog_checks_base", "base", BASE, "37.19.0"),
        ("postgres", "postgres", CHECK, version),
    ):
        root = directory / project
        inner = root / "datadog_checks" / package
        inner.mkdir(parents=True)
        (root / "datadog_checks" / "__init__.py").write_text(NAMESPACE)
        (inner / "__about__.py").write_text(f'__version__ = "{number}"\n')
        (inner / "__init__.py").write_text(text)
        (root / "pyproject.toml").write_text(
            PYPROJECT.format(name=project, python=python, requirements=requirements)
        )
    shutil.copytree(Path(yaml.__file__).parent, directory / "datadog_checks_base" / "yaml")
    return directory
