"""Who may connect to whom in k8s/: the NetworkPolicies, read as Kubernetes defines them."""

import pytest

from tests.fix_kubernetes import Object, matches, overlay, pods
from workload.settings import Settings

SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk")


def ways(objects: tuple[Object, ...]) -> set[tuple[str, str, int]]:
    """Return who may connect to whom at which port, as NetworkPolicy defines it."""
    policies = [o["spec"] for o in objects if o["kind"] == "NetworkPolicy"]
    templates = pods(objects)
    return {
        (client, server, port["containerPort"])
        for client, from_pod in templates.items()
        for server, to_pod in templates.items()
        if client != server
        for c in to_pod["spec"]["containers"]
        for port in c.get("ports", [])
        if permits(policies, "egress", from_pod, to_pod, port)
        and permits(policies, "ingress", to_pod, from_pod, port)
    }


def permits(
    policies: list[Object], direction: str, pod: Object, other: Object, port: Object
) -> bool:
    peers = {"egress": "to", "ingress": "from"}[direction]
    mine = [
        policy
        for policy in policies
        if direction.capitalize() in policy["policyTypes"] and matches(policy["podSelector"], pod)
    ]
    assert mine, "a pod that no policy selects may do everything"
    return any(
        _reaches(rule.get(peers), other) and _includes(rule.get("ports"), port)
        for policy in mine
        for rule in policy.get(direction, [])
    )


def _reaches(peers: list[Object] | None, pod: Object) -> bool:
    """An empty list means all peers; a peer in other namespaces is not one of the lab."""
    if peers is None:
        return True
    return any("namespaceSelector" not in p and matches(p["podSelector"], pod) for p in peers)


def _includes(ports: list[Object] | None, port: Object) -> bool:
    if ports is None:
        return True
    return any(
        wanted["port"] == port["name"]
        if isinstance(wanted["port"], str)
        else wanted["port"] <= port["containerPort"] <= wanted.get("endPort", wanted["port"])
        for wanted in ports
        if wanted.get("protocol", "TCP") == "TCP"
    )


@pytest.mark.parametrize("name", ["local", "shop", "datadog", "scale"])
def test_only_who_must_talks_to_whom(name: str) -> None:
    """Exactly these ways are open: to PostgreSQL from the services, the seed job and the Agent only."""
    services = (*SERVICES, *(("shop",) if name == "shop" else ()))
    ports = {service: Settings.model_fields[f"{service}_port"].default for service in services}
    wanted = {("seed", "postgres", 5432), ("datadog-agent", "postgres", 5432)}
    wanted |= {("datadog-agent", "postgres", 8088), ("prometheus", "postgres", 9187)}
    wanted |= {("prometheus", "postgres", 8088), ("prometheus", "alertmanager", 9093)}
    wanted |= {("alertmanager", "postgres", 8088)}
    wanted |= {("grafana", "prometheus", 9090), ("grafana", "postgres", 8088)}
    # The console, which is in the database's pod.
    wanted |= {("postgres", "prometheus", 9090)}
    for service, port in ports.items():
        wanted |= {(service, "postgres", 5432), (service, "datadog-agent", 8126)}
        wanted |= {("prometheus", service, port), ("datadog-agent", service, port)}
    assert ways(overlay(name)) == wanted
