"""The table panel: values of several queries, joined on their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.models.common import TableCellDisplayMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from grafana.generator import style
from grafana.generator.panels import WHOLE, named
from grafana.generator.source import PROMETHEUS, Query

# In px; with Grafana's default of 150 a table of ten columns would not fit.
LEAST_WIDTH, BAR_WIDTH = 70, 130


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of values in a table: a PromQL expression with the same labels as the other columns."""

    title: str
    unit: str
    expr: str
    decimals: int | None = None
    thresholds: ThresholdsConfig | None = None
    bar: bool = False


def rows(
    title: str,
    description: str,
    *columns: Column,
    labels: Mapping[str, int],
    sort: str,
    links: Mapping[str, Sequence[DashboardLink]] | None = None,
    width: int = WHOLE,
    height: int = 10,
) -> table.Panel:
    """Return a table with a row for each set of labels.

    Args:
        title: the measured quantity.
        description: the meaning, and what to do about bad values.
        columns: the columns of values.
        labels: the columns of labels, in order, and their widths in px; other labels are left out.
        sort: the title of the sort column, descending.
        links: by the label of their column.
        width: in columns of 24.
        height: in grid units of 30 px.
    """
    # With one query Grafana names the column "Value", with several "Value #A", "Value #B".
    refs = [f"Value #{ref}" for ref, _ in named(columns)] if len(columns) > 1 else ["Value"]
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .span(width)
        .height(height)
        .no_value("-")
        .thresholds(style.neutral())
        .min_width(LEAST_WIDTH)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
        .footer(common.TableFooterOptions().show(False).reducer([]).enable_pagination(True))
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="filterFieldsByName",
                options={"include": {"names": [*labels, *refs]}},
            )
        )
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "indexByName": {name: i for i, name in enumerate([*labels, *refs])},
                    "renameByName": dict(
                        zip(refs, (column.title for column in columns), strict=True)
                    ),
                },
            )
        )
    )
    for ref, column in named(columns):
        panel = panel.with_target(Query(expr=column.expr).now(ref, table=True))
        panel = panel.override_by_name(column.title, _cell_style(column))
    for label, pixels in labels.items():
        look = [
            DynamicConfigValue(id_val="custom.width", value=pixels),
            DynamicConfigValue(id_val="custom.filterable", value=True),
        ]
        if links and label in links:
            look.append(
                DynamicConfigValue(id_val="links", value=[one.build() for one in links[label]])
            )
        panel = panel.override_by_name(label, look)
    return panel


def _cell_style(column: Column) -> list[DynamicConfigValue]:
    look = [DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        look.append(DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.thresholds:
        look.append(DynamicConfigValue(id_val="thresholds", value=column.thresholds.build()))
        look.append(
            DynamicConfigValue(
                id_val="custom.cellOptions", value={"type": TableCellDisplayMode.COLOR_TEXT}
            )
        )
    if column.bar:
        # The maximum of the column, not of the table.
        look.append(DynamicConfigValue(id_val="fieldMinMax", value=True))
        look.append(DynamicConfigValue(id_val="custom.width", value=BAR_WIDTH))
        look.append(DynamicConfigValue(id_val="min", value=0))
        look.append(
            DynamicConfigValue(
                id_val="custom.cellOptions",
                value={"type": TableCellDisplayMode.GAUGE, "mode": "basic"},
            )
        )
    return look
