"""k8s/ against Kubernetes' schemas and the restricted standard, and each object against the others."""

import json
import re
from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.fix_kubernetes import OVERLAYS, Object, containers, matches, overlay, pods

# The oldest that most managed clusters still offer, and the newest that has schemas.
VERSIONS = ("1.30", "1.37")
# Its schema is the Operator's; docs/kubernetes.md says against which it was held.
FOREIGN = {"DatadogAgent"}
# What a person makes by hand, where an overlay does not.
BY_HAND = {"credit-lab-passwords", "credit-lab-grafana", "datadog-keys"}
LAST_APPLIED_BYTES = 256 << 10


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """All definitions of a version are one file, which is parsed for each object otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_is_valid(name: str, version: str) -> None:
    """Strictly: a field that the schema does not know is an error, as `kubectl --validate=strict` has it."""
    for object_ in overlay(name):
        if object_["kind"] not in FOREIGN:
            kubernetes_validate.validate(object_, version, strict=True)


def test_a_field_misspelt_is_noticed() -> None:
    pod = pods(overlay("local"))["customers"]
    misspelt = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod["spec"]}
    kubernetes_validate.validate(misspelt, VERSIONS[0], strict=True)
    misspelt = misspelt | {"spec": pod["spec"] | {"enableServiceLink": False}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubectl_can_keep_a_copy_of_each_object(name: str) -> None:
    """`kubectl apply` puts the whole object into an annotation, and all of those may have 256 KiB."""
    for object_ in overlay(name):
        assert len(json.dumps(object_)) < LAST_APPLIED_BYTES * 0.9, object_["metadata"]["name"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_pod_meets_the_restricted_standard_and_more(name: str) -> None:
    """Not root, no capability, no privilege to gain, nothing of the host, read-only but for the Agent."""
    for pod_name, pod in pods(overlay(name)).items():
        assert_confined(pod_name, pod["spec"])


def assert_confined(pod_name: str, spec: Object) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"hostNetwork", "hostPID", "hostIPC"} & set(spec) == set()
    assert [v for v in spec.get("volumes", []) if "hostPath" in v] == []
    # A Service called postgres would set POSTGRES_PORT=tcp://10.0.0.1:5432.
    assert spec["enableServiceLinks"] is False
    asks_the_api = pod_name in {"prometheus", "datadog-agent"}
    assert spec.get("automountServiceAccountToken", True) is asks_the_api
    for confined in containers({"spec": spec}):
        context = confined["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is (pod_name != "datadog-agent")
        assert {"requests", "limits"} == set(confined["resources"])
        assert not any("hostPort" in port for port in confined.get("ports", []))


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_container_that_stays_says_how_it_is(name: str) -> None:
    """Probes everywhere; in the database's pod only PostgreSQL decides whether it is ready."""
    staying = {n: pod["spec"] for n, pod in pods(overlay(name)).items() if n != "seed"}
    for pod_name, spec in staying.items():
        assert spec["terminationGracePeriodSeconds"] >= 30
        for each in spec["containers"]:
            ready, live = "readinessProbe" in each, "livenessProbe" in each
            assert ready == (pod_name != "postgres" or each["name"] == "postgres")
            # A server that recovers after a crash must not be killed for it.
            assert live == (each["name"] != "postgres")


def test_prometheus_may_read_pods_of_its_namespace_and_nothing_else() -> None:
    roles = [o for o in overlay("local") if o["kind"] == "Role"]
    assert [role["rules"] for role in roles] == [
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    ]
    [cluster_role] = [o for o in overlay("local") if o["kind"] == "ClusterRole"]
    [rule] = cluster_role["rules"]
    assert (rule["verbs"], {r.partition("/")[0] for r in rule["resources"]}) == (["get"], {"nodes"})


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_that_is_referred_to_is_there(name: str) -> None:
    objects = overlay(name)
    there = {(o["kind"], o["metadata"]["name"]) for o in objects}
    wanted = set()
    for pod in pods(objects).values():
        text = json.dumps(pod)
        maps = set(re.findall(r'"configMap(?:Ref)?": \{[^{}]*?"name": "([^"]+)"', text))
        # With items, the name stands behind them.
        maps |= set(re.findall(r'"configMap": \{"items": \[.*?\], "name": "([^"]+)"', text))
        secrets = set(re.findall(r'"secretKeyRef": \{[^{}]*?"name": "([^"]+)"', text))
        wanted |= {("ConfigMap", m) for m in maps} | {("Secret", s) for s in secrets - BY_HAND}
        if account := pod["spec"].get("serviceAccountName"):
            wanted.add(("ServiceAccount", account))
    for object_ in objects:
        if object_["kind"] == "HorizontalPodAutoscaler":
            target = object_["spec"]["scaleTargetRef"]
            wanted.add((target["kind"], target["name"]))
    assert len(wanted) > 10
    assert wanted - there == set()


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_selector_selects_and_every_named_port_has_a_container(name: str) -> None:
    objects = overlay(name)
    templates = pods(objects)
    for object_ in objects:
        kind, spec = object_["kind"], object_.get("spec", {})
        if kind == "Service":
            selected = [
                p for p in templates.values() if matches({"matchLabels": spec["selector"]}, p)
            ]
            assert len(selected) == 1, object_["metadata"]["name"]
            named = {
                port["name"]
                for c in selected[0]["spec"]["containers"]
                for port in c.get("ports", [])
            }
            assert {port["targetPort"] for port in spec["ports"]} <= named
        elif kind == "PodDisruptionBudget":
            assert [p for p in templates.values() if matches(spec["selector"], p)] != []
        elif kind in {"Deployment", "StatefulSet", "DaemonSet"}:
            assert matches(spec["selector"], spec["template"])
            others = [p for n, p in templates.items() if n != object_["metadata"]["name"]]
            assert not any(matches(spec["selector"], p) for p in others)
