"""Kubernetes' objects as `kubectl apply -k` would send them, rendered by a real kustomize once per run."""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.foundation.debian import fetch
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import ROOT

K8S = ROOT / "k8s"
OVERLAYS = ("local", "shop", "datadog", "datadog-operator", "scale")
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
Object = dict[str, Any]


@cache
def kustomize() -> tuple[str, ...]:
    """Return how to call kustomize: this machine's, or kubectl's own from Debian's package."""
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if found := shutil.which("kubectl"):
        return (found, "kustomize")
    root = fetch(("kubectl",), release="trixie", into=PACKAGES / "kubectl")
    return (str(root / "usr" / "bin" / "kubectl"), "kustomize")


@cache
def rendered(folder: Path) -> tuple[Object, ...]:
    """Return the objects of a kustomization."""
    reported = subprocess.run([*kustomize(), folder], capture_output=True, text=True, check=False)
    assert reported.returncode == 0, reported.stderr
    # Deprecated fields are reported here.
    assert reported.stderr == ""
    return tuple(yaml.load_all(reported.stdout, Loader=yaml.CSafeLoader))


def overlay(name: str) -> tuple[Object, ...]:
    """Return the objects of an overlay."""
    return rendered(K8S / "overlays" / name)


def one(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """Return the object of this kind and name."""
    [found] = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def pods(objects: tuple[Object, ...]) -> dict[str, Object]:
    """Return the pod template of each workload by the workload's name."""
    return {o["metadata"]["name"]: o["spec"]["template"] for o in objects if o["kind"] in WORKLOADS}


def containers(pod: Object) -> Iterator[Object]:
    """Yield the containers of a pod, its init containers first."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def matches(selector: Object, pod: Object) -> bool:
    """Say whether a label selector selects a pod."""
    labels = pod["metadata"]["labels"]
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(
        labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
        if expression["operator"] == "In"
    )


def mounted(objects: tuple[Object, ...], pod: Object, container: str) -> dict[str, str]:
    """Return the text of every file that ConfigMaps and Secrets bring into a container, by its path there."""
    [asked] = [c for c in containers(pod) if c["name"] == container]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    return {
        f"{mount['mountPath']}/{path}": text
        for mount in asked["volumeMounts"]
        for path, text in _files(objects, volumes.get(mount["name"], {}))
    }


def _files(objects: tuple[Object, ...], volume: Object) -> Iterator[tuple[str, str]]:
    whole = [{"configMap": volume["configMap"]}] if "configMap" in volume else []
    for source in volume.get("projected", {}).get("sources", whole):
        if "secret" in source:
            yield from _secrets(objects, source["secret"])
            continue
        data = one(objects, "ConfigMap", source["configMap"]["name"])["data"]
        items = source["configMap"].get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            yield item["path"], data[item["key"]]


def _secrets(objects: tuple[Object, ...], source: Object) -> Iterator[tuple[str, str]]:
    """Yield the files of a Secret; of one that the user creates, an empty text."""
    known = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "Secret"}
    data = known.get(source["name"], {})
    for item in source["items"]:
        yield item["path"], base64.b64decode(data.get(item["key"], "")).decode()
