"""datadog/conf.d/postgres.d/conf.yaml against the check's option names, the database and the Compose file."""

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from lab.foundation.settings import ROOT

TEXT = (ROOT / "datadog/conf.d/postgres.d/conf.yaml").read_text(encoding="utf-8")
CONF: dict[str, Any] = yaml.safe_load(TEXT)
[INSTANCE] = CONF["instances"]
[LOG] = CONF["logs"]
OPTIONS: dict[str, list[str]] = yaml.safe_load(
    (ROOT / "tests/contract/postgres_check_options.yaml").read_text(encoding="utf-8")
)
AGENT = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["datadog-agent"]
MASKS = [rule for rule in LOG["log_processing_rules"] if rule["type"] == "mask_sequences"]
TRACEPARENT = "traceparent='00-6560f3ba00000000f5ad4cbb3f4a3c52-1d5ab4f2c1ab2d40-01'"


def test_every_option_is_one_of_the_checks_own() -> None:
    """The check ignores what it does not know, silently: a misspelt option would be a wish."""
    assert set(INSTANCE) - set(OPTIONS["instance"]) == set()
    for name, value in INSTANCE.items():
        for block in value if isinstance(value, list) else [value]:
            if isinstance(block, dict):
                assert set(block) - set(OPTIONS[name]) == set(), name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dbm", True),
        ("disable_generic_tags", False),
        ("obfuscator_options.obfuscation_mode", "obfuscate_and_normalize"),
        ("obfuscator_options.collect_comments", True),
        ("obfuscator_options.collect_metadata", True),
        ("collect_raw_query_statement.enabled", False),
        ("collect_column_statistics.enabled", False),
        ("log_unobfuscated_queries", False),
        ("log_unobfuscated_plans", False),
        ("query_samples.explain_function", "datadog.explain_statement"),
        ("query_metrics.collection_interval", 10),
        ("username", "datadog"),
    ],
)
def test_what_the_lab_depends_on_is_set(path: str, value: object) -> None:
    found: Any = INSTANCE
    for name in path.split("."):
        found = found[name]
    assert found == value


def test_a_running_file_metric_is_not_asked_of_the_agents_own_disk() -> None:
    assert "collect_wal_metrics" not in INSTANCE


def test_every_variable_is_given_to_the_agent() -> None:
    wanted = set(re.findall(r"%%env_(\w+)%%", TEXT.partition("init_config:")[2]))
    assert wanted <= set(AGENT["environment"])


def test_the_log_is_read_where_compose_puts_it() -> None:
    """The files that PostgreSQL names, in the directory where the volume is mounted."""
    [volume] = [v for v in AGENT["volumes"] if isinstance(v, dict)]
    path = PurePosixPath(LOG["path"])
    conf = (ROOT / "postgres/conf/postgresql.conf").read_text()
    assert str(path.parent) == volume["target"]
    assert "log_filename = 'postgresql-%H.log'" in conf
    assert PurePosixPath("postgresql-21.log").match(path.name)
    assert not PurePosixPath("postgresql-21.json").match(path.name)


def test_each_log_entry_begins_where_the_prefix_does() -> None:
    [rule] = [r for r in LOG["log_processing_rules"] if r["type"] == "multi_line"]
    assert re.match(
        rule["pattern"], "2026-11-21 21:20:09.615 UTC:172.18.0.5(59404):credit_app@creditdb"
    )
    assert not re.match(rule["pattern"], "\tI/O timings: read: 0.000 ms")


def masked(line: str) -> str:
    for rule in MASKS:
        replacement = re.sub(r"\$\{(\d)\}", r"\\\1", rule["replace_placeholder"])
        line = re.sub(rule["pattern"], replacement, line)
    return line


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT full_name FROM customers WHERE cpf = '12345678901'",
        "UPDATE customers SET phone = '+55 11 91234-5678', email = E'd\\'Avila@example.com'",
        "\"Query Text\": \"UPDATE customers SET email = E'd\\\\'Avila@example.com', x = E'91234\\\\\\\\'\"",
        "INSERT INTO customers VALUES ('12345678901','O''Neill', 'x')",
        "SELECT 1 FROM customers WHERE cpf = ANY (ARRAY['12345678901', '98765432109'])",
        "DETAIL:  Key (cpf)=(12345678901) already exists.",
        '"Filter": "(cpf = \'12345678901\'::bpchar)"',
    ],
)
def test_no_literal_leaves_in_a_log_line_and_the_trace_link_does(statement: str) -> None:
    line = masked(f"LOG:  duration: 321.5 ms  statement: /*dde='lab',{TRACEPARENT}*/ {statement}")
    assert TRACEPARENT in line
    for secret in ("12345678901", "98765432109", "91234", "Avila@example", "Neill"):
        assert secret not in line


def test_patterns_are_of_the_agents_kind() -> None:
    """The Agent's regular expressions (RE2) know no lookaround and no backreferences."""
    for rule in LOG["log_processing_rules"]:
        assert not re.search(r"\(\?[=!<]|\\[1-9]", rule["pattern"].replace("(?<", "(?P<"))
