"""k8s/overlays/scale: replicas, connections, autoscalers, and the figures in its comments."""

import re
import subprocess
from pathlib import Path

import yaml

from lab.foundation.settings import ROOT
from tests.fix_kubernetes import K8S, Object, one, overlay
from tests.fix_prometheus import promtool
from workload.settings import Settings

SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk")


def test_all_replicas_together_stay_within_the_connections_of_their_role() -> None:
    objects = overlay("scale")
    most = {
        o["spec"]["scaleTargetRef"]["name"]: o["spec"]["maxReplicas"]
        for o in objects
        if o["kind"] == "HorizontalPodAutoscaler"
    }
    roles = (ROOT / "postgres" / "init" / "10-roles.sql").read_text()
    [limit] = re.findall(r"'credit_app', .*, +(\d+)\)", roles)
    threads = Settings.model_fields["workload_threads"].default
    connections = (
        sum(n * threads for n in most.values()) + Settings.model_fields["risk_threads"].default
    )
    assert connections <= int(limit)
    # A new version replaces a replica before it adds one, or the sum above would be wrong.
    for service in SERVICES:
        deployment = one(objects, "Deployment", service)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0
        assert deployment["spec"].get("replicas", most.get(service)) in (1, most.get(service))


def test_the_load_of_the_scale_overlay_is_what_its_comment_says() -> None:
    rates = [
        field.default
        for name, field in Settings.model_fields.items()
        if name.startswith("rate_") and not name.startswith("rate_shop_")
    ]
    load = float(environment_of_map(overlay("scale"))["WORKLOAD_LOAD"])
    text = (K8S / "overlays" / "scale" / "kustomization.yaml").read_text()
    assert f"{sum(rates) * load:.0f} operations per second" in text


def environment_of_map(objects: tuple[Object, ...]) -> dict[str, str]:
    [data] = [
        o["data"]
        for o in objects
        if o["kind"] == "ConfigMap" and "WORKLOAD_LOAD" in o.get("data", {})
    ]
    return dict(data)


def test_autoscalers_ask_for_the_metric_that_the_adapter_makes(tmp_path: Path) -> None:
    """One name on both sides, and a query that Prometheus understands."""
    [rule] = yaml.safe_load((K8S / "overlays" / "scale" / "adapter.yaml").read_text())["rules"]
    asked = {
        metric["pods"]["metric"]["name"]
        for o in overlay("scale")
        if o["kind"] == "HorizontalPodAutoscaler"
        for metric in o["spec"]["metrics"]
    }
    assert asked == {rule["name"]["as"]}
    filled = {
        "Series": "credit_start_delay_seconds_bucket",
        "LabelMatchers": 'pod="p"',
        "GroupBy": "pod",
    }
    query = re.sub(r"<<\.(\w+)>>", lambda match: filled[match[1]], rule["metricsQuery"])
    rules = {"groups": [{"name": "g", "rules": [{"record": "r", "expr": query}]}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    reported = subprocess.run(
        [promtool().path, "check", "rules", tmp_path / "rules.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr
