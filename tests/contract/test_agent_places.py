"""The Datadog Agent in Compose, as a DaemonSet, by the Operator and natively: what must be alike."""

import re
from typing import Any

import pytest
import yaml

from lab.foundation.settings import ROOT, LabSettings

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
AGENT = COMPOSE["services"]["datadog-agent"]
DAEMONSET = next(
    document["spec"]["template"]["spec"]["containers"][0]
    for document in yaml.safe_load_all(
        (ROOT / "k8s/components/datadog-agent/agent.yaml").read_text()
    )
    if document["kind"] == "DaemonSet"
)
OPERATOR = yaml.safe_load((ROOT / "k8s/overlays/datadog-operator/datadog-agent.yaml").read_text())
NODE_AGENT = OPERATOR["spec"]["override"]["nodeAgent"]


def values(listed: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in listed if "value" in one}


PLACES = {
    "compose": {name: str(value) for name, value in AGENT["environment"].items()},
    "daemonset": values(DAEMONSET["env"]),
    "operator": values(NODE_AGENT["env"]),
}


@pytest.mark.parametrize("place", PLACES)
def test_spans_of_other_containers_and_pods_are_taken(place: str) -> None:
    """By default the Agent takes spans of its own host only; the services are elsewhere."""
    assert PLACES[place]["DD_APM_NON_LOCAL_TRAFFIC"] == "true"


@pytest.mark.parametrize("place", PLACES)
def test_every_place_keeps_the_same_number_of_traces(place: str) -> None:
    """As an Agent of this machine does by the setting's default."""
    [number] = re.findall(r"\d+", PLACES[place]["DD_APM_TARGET_TPS"])
    assert int(number) == LabSettings.model_fields["dd_apm_target_tps"].default


def test_every_place_has_the_version_of_env_example() -> None:
    [image] = re.findall(
        r"^# DATADOG_AGENT_IMAGE=(\S+)$", (ROOT / ".env.example").read_text(), re.MULTILINE
    )
    version = image.rpartition(":")[2]
    assert DAEMONSET["image"] == image
    assert NODE_AGENT["image"]["tag"] == version
    assert f"| Datadog Agent | {version} |" in (ROOT / "docs/docker.md").read_text()


def test_the_position_in_the_log_survives_a_new_container() -> None:
    [volume] = [one for one in AGENT["volumes"] if str(one).endswith(":/opt/datadog-agent/run")]
    assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_the_agent_may_have_many_threads_and_a_slow_probe() -> None:
    assert AGENT["pids_limit"] == 512
    seconds = {
        name: int(AGENT["healthcheck"][name].rstrip("s")) for name in ("interval", "timeout")
    }
    assert seconds["interval"] >= 30
    assert seconds["timeout"] >= 10


def test_variables_of_ours_do_not_look_like_datadogs() -> None:
    """The Agent and the tracer read every DD_* as an option: those that can be set here are all theirs."""
    text = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^(?:# )?(DD_\w+)=", text, re.MULTILINE)) == {
        *("DD_API_KEY", "DD_APP_KEY", "DD_SITE", "DD_ENV", "DD_VERSION"),
        *("DD_TRACE_ENABLED", "DD_DBM_PROPAGATION_MODE", "DD_APM_TARGET_TPS"),
    }
