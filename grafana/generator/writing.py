"""The dashboards as files for Grafana; the output is deterministic."""

from json import loads
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.generator.boards import BOARDS

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def files() -> dict[str, str]:
    """Return the content of each file by its name, which is the dashboard's uid."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    contents = (encoder.encode(build()) + "\n" for build in BOARDS)
    return {f"{loads(content)['uid']}.json": content for content in contents}
