"""`python -m k8s.autodiscovery`: write the Agent's checks as annotations of Kubernetes pods.

On a cluster each node has an Agent, and a check in a shared file would run on all of them. As
an annotation of the checked pod it runs once, on that pod's node. k8s/base/autodiscovery/ is generated from
`datadog/conf.d/`, the only place where options are set.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
CONFIGURATION = FOLDER.parent / "datadog" / "conf.d"
OUTPUT = FOLDER / "base" / "autodiscovery"
HEADER = (
    "# From datadog/conf.d/{check}.d/conf.yaml by `python -m k8s.autodiscovery`; edit that file.\n"
)


def files() -> dict[str, str]:
    """Return the content of each patch by its file name."""
    postgres = _instance("postgres")
    # The Agent's template variable for the address of the annotated pod.
    postgres["host"] = "%%host%%"
    services = _instance("openmetrics")
    services["openmetrics_endpoint"] = "http://%%host%%:%%port_http%%/metrics"
    return {
        "postgres.yaml": _patch("postgres", "StatefulSet", "postgres", postgres),
        # Kustomize applies it to all five; the container has this name in each.
        "services.yaml": _patch("openmetrics", "Deployment", "service", services),
    }


def _instance(check: str) -> dict[str, Any]:
    configuration = yaml.safe_load((CONFIGURATION / f"{check}.d" / "conf.yaml").read_text())
    return dict(configuration["instances"][0])


def _patch(check: str, kind: str, container: str, instance: dict[str, Any]) -> str:
    annotation = json.dumps({check: {"init_config": {}, "instances": [instance]}}, indent=2)
    patch = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": container},
        "spec": {
            "template": {
                "metadata": {"annotations": {f"ad.datadoghq.com/{container}.checks": annotation}}
            }
        },
    }
    return HEADER.format(check=check) + yaml.dump(patch, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as a literal block."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def main(folder: Path = OUTPUT) -> None:
    """Write both patches."""
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
