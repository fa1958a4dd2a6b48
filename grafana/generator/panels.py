"""The kinds of panel of the dashboards, with the lab's defaults; for tables see tables.py.

A panel requires a title, a description and a unit, so that a reader who opens a dashboard for the first
time finds what it shows and what to do.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from grafana_foundation_sdk.builders import (
    common,
    logs,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsDedupStrategy,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.text import TextMode

from grafana.generator import style
from grafana.generator.source import LOG, PROMETHEUS, TRACES, Query, TraceSearch, log_lines

T = TypeVar("T")
Panel: TypeAlias = Builder[models.Panel]

# Thirds, halves and sixths of the 24 columns; at 1440 px a legend of five services fits into a third.
THIRD, HALF, WHOLE, SIXTH, QUARTER = 8, 12, 24, 4, 6
GRAPH, NUMBER = 8, 4
# Characters in a line of a note at 1440 px.
NOTE_LINE = 190


def link(title: str, url: str) -> DashboardLink:
    """Return a link of a series, a value or a row; an external one opens a new tab."""
    return DashboardLink(title).url(url).target_blank(url.startswith("http"))


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = THIRD,
    height: int = GRAPH,
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    bars: bool = False,
    thresholds: ThresholdsConfig | None = None,
    signed: bool = False,
    begins_at: float = 0,
    empty: str = "No data in this time range",
    links: Sequence[DashboardLink] = (),
) -> timeseries.Panel:
    """Return series over time.

    Args:
        title: the measured quantity, without the unit.
        description: the meaning, and what to do about bad values.
        unit: of the values.
        queries: their legends name the series.
        width: in columns of 24.
        height: in grid units of 30 px.
        colours: by the prefix of a series' name.
        stacked: as stacked areas; for parts of a whole.
        bars: for events that are counted.
        thresholds: drawn as dashed lines.
        signed: whether values below zero are possible.
        begins_at: minimum of the axis unless a value is below it; for shares that are nearly one.
        empty: text shown when the selected variables match no series.
        links: of each series.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(height)
        .draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(60 if stacked or bars else 0)
        .show_points(VisibilityMode.NEVER)
        .no_value(empty)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend(width, unit))
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .data_links(list(links))
        .thresholds(thresholds or style.neutral())
    )
    if thresholds:
        dashed = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(dashed)
    if signed:
        panel = panel.axis_centered_zero(True)
    elif begins_at:
        panel = panel.axis_soft_min(begins_at).max(1)
    else:
        panel = panel.min(0).axis_soft_max(style.LEAST[unit])
    if unit == style.SESSIONS:
        panel = panel.decimals(3)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for name, colour in (colours or {}).items():
        # The colour of "idle" must not apply to "idle in transaction": a colon may follow the name, no word.
        pattern = f"/^{name.replace('(', '[(]').replace(')', '[)]')}($|: )/"
        panel = panel.override_by_regexp(pattern, [fixed(colour)])
    for ref, query in named(queries):
        panel = panel.with_target(query.over_time(ref))
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = SIXTH,
    height: int = NUMBER,
    thresholds: ThresholdsConfig | None = None,
    decimals: int | None = None,
    trend: bool = False,
    empty: str = "no data",
    words: Mapping[str, str] | None = None,
    links: Sequence[DashboardLink] = (),
) -> stat.Panel:
    """Return a stat panel: the last value of each series.

    Args:
        title: the measured quantity.
        description: the meaning, and what to do about bad values.
        unit: of the values.
        queries: their legends name the values if there are several.
        width: in columns of 24.
        height: in grid units of 30 px.
        thresholds: the colours; without thresholds the colour is neutral.
        decimals: shown; by default as many as the value needs.
        trend: whether a sparkline is drawn behind the value; the query is then a range query, whose last
            value stays when the source is lost.
        empty: text shown when there is no value.
        words: texts for values that represent a state.
        links: of the value.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(height)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds or style.neutral())
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA if trend else BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.AUTO if len(queries) == 1 else BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(empty)
        .data_links(list(links))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if len(queries) > 1:
        # In one column and of one size, instead of tiles of different sizes.
        size = common.VizTextDisplayOptions().title_size(14).value_size(20)
        panel = panel.orientation(VizOrientation.HORIZONTAL).text(size)
    if words:
        panel = panel.mappings([said(words)])
    for ref, query in named(queries):
        panel = panel.with_target(query.over_time(ref) if trend else query.now(ref))
    return panel


def timeline(
    title: str, description: str, *queries: Query, width: int = HALF
) -> statetimeline.Panel:
    """Return a state timeline: up (1) and down (0)."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(style.COUNT)
        .span(width)
        .height(GRAPH)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(style.up())
        .mappings([said({"1": "up", "0": "down"})])
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(80)
        .legend(common.VizLegendOptions().show_legend(False))
    )
    for ref, query in named(queries):
        panel = panel.with_target(query.over_time(ref))
    return panel


def log(
    title: str, description: str, expr: str, *, width: int = WHOLE, height: int = 12
) -> logs.Panel:
    """Return the newest lines that match a LogQL expression, of PostgreSQL's log or texts of statements."""
    return (
        logs.Panel()
        .title(title)
        .description(description)
        .datasource(LOG)
        .span(width)
        .height(height)
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
        .dedup_strategy(LogsDedupStrategy.NONE)
        .with_target(log_lines(expr))
    )


def traces(title: str, description: str, search: TraceSearch, *, width: int = WHOLE) -> Panel:
    """Return the traces of a search, the longest first; their ids open the trace in Grafana."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(TRACES)
        .span(width)
        .height(12)
        .no_value("No trace of this statement in this time range")
        .min_width(70)
        .sort_by([common.TableSortByFieldState().display_name("Duration").desc(True)])
        .footer(common.TableFooterOptions().show(False).reducer([]).enable_pagination(True))
        .with_target(search)
    )


def note(title: str, markdown: str) -> text.Panel:
    """Return a text panel of full width: the purpose of the dashboard, and next steps."""
    lines = math.ceil(len(markdown) / NOTE_LINE)
    return (
        text.Panel()
        .title(title)
        .description("How to read this dashboard.")
        .mode(TextMode.MARKDOWN)
        .content(markdown)
        .span(WHOLE)
        .height(max(lines, 2) + 1)
    )


def fixed(colour: str) -> DynamicConfigValue:
    """Return an override that gives a series its colour."""
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def said(words: Mapping[str, str]) -> ValueMapping:
    """Return a mapping of values to texts."""
    return ValueMap(options={k: ValueMappingResult(text=v) for k, v in words.items()})


def named(queries: Sequence[T]) -> list[tuple[str, T]]:
    """Return each with its refId, which identifies a query in a panel."""
    return [(chr(ord("A") + i), query) for i, query in enumerate(queries)]


def _legend(width: int, unit: str) -> common.VizLegendOptions:
    """Return a legend: names below a narrow graph, a table with values beside a wide one."""
    legend = common.VizLegendOptions().show_legend(True)
    if width < HALF:
        return legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return (
        legend.display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.RIGHT)
        # Two columns with this long unit would be too wide.
        .calcs(["max"] if unit == style.SESSIONS else ["lastNotNull", "max"])
        .sort_by("Max")
        .sort_desc(True)
    )
