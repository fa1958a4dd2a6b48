"""The statements of tests/plans/shapes.sql: a block for each, with its settings and the node that waits."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("plans")
TABLES = (FOLDER / "tables.sql").read_text()
PARALLEL = {
    "max_parallel_workers_per_gather": "2", "parallel_setup_cost": "0", "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0", "min_parallel_index_scan_size": "0",
}  # fmt: skip
FIELD = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A statement; `slowest` is what the label or the role of its slowest node begins with."""

    name: str
    sql: str
    settings: dict[str, str]
    slowest: tuple[str, ...]
    outside: str | None


def _shape(block: str) -> Shape:
    fields: dict[str, list[str]] = {}
    for key, value in FIELD.findall(block):
        fields.setdefault(key, []).append(value)
    settings = dict(value.split(" = ") for value in fields.get("set", ()))
    return Shape(
        name=fields["shape"][0],
        sql=FIELD.sub("", block).strip(),
        settings=settings | (PARALLEL if "parallel" in fields else {}),
        slowest=tuple(fields["slowest"][0].split(" | ")) if "slowest" in fields else (),
        outside=fields["outside"][0] if "outside" in fields else None,
    )


SHAPES = tuple(
    _shape(f"-- shape: {block}")
    for block in (FOLDER / "shapes.sql").read_text().split("-- shape: ")[1:]
)
