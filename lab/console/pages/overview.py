"""`/`: the overview page."""

from collections import Counter
from collections.abc import Sequence

from starlette.requests import Request

from lab.console import overview
from lab.console.overview import DatabaseLoad, ServicesHealth, WaitEvent
from lab.console.pages import asking, colours
from lab.console.pages.cause import causes
from lab.console.pages.chart import Band, Chart, ChartSeries, sparkline
from lab.console.pages.faults import bands
from lab.console.pages.site import Page
from lab.drilldown import Drilldown

TOP_STATEMENTS = 10
# Rare wait events are summed, so that the legend is readable; more than the number of wait classes.
MAX_LAYERS = 12
OTHERS = "others"


def page(drilldown: Drilldown, request: Request) -> Page:
    """Render the overview; a part whose source does not answer shows the error."""
    window = asking.window(request)
    since, until = window.since, window.until
    reader, prometheus = drilldown.reader, drilldown.prometheus
    load = asking.attempt(lambda: overview.database_load(reader, since=since, until=until))
    services = asking.attempt(
        lambda: overview.services_health(prometheus, since=since, until=until)
    )
    found = asking.attempt(lambda: overview.incidents(reader, since=since, until=until))
    names = [service.name for service in services.value.services] if services.value else []
    values = {
        **window.values(),
        "health": asking.attempt(lambda: overview.health(reader, prometheus, at=until)),
        "load": load,
        "load_chart": load_chart(load.value, bands(drilldown, since, until))
        if load.value
        else None,
        "services": services,
        "sparks": _sparks(services.value) if services.value else {},
        "top": asking.attempt(
            lambda: drilldown.queries(since=since, until=until, limit=TOP_STATEMENTS)
        ),
        "incidents": found,
        "causes": causes(drilldown, found.value or ()),
        "refused": asking.attempt(
            lambda: overview.refused_explains(reader, since=since, until=until)
        ).value,
        "sessions_links": drilldown.links.sessions(),
        "service_links": {name: drilldown.links.service(name) for name in names},
    }
    return Page(template="overview.html", values=values)


def load_chart(load: DatabaseLoad, faults: Sequence[Band] = ()) -> Chart:
    """Stack the wait events by class, so that each class has one colour; the CPU is at the bottom."""
    shown, rest = _split(load.events)
    order = {kind: number for number, kind in enumerate(colours.WAITS)}
    shades: Counter[str] = Counter()
    layers = []
    for event in sorted(shown, key=lambda e: (order.get(e.type, len(order)), -e.mean)):
        label = event.event if event.type == event.event else f"{event.type}:{event.event}"
        css = colours.of_wait(event.type, shades[event.type])
        layers.append(ChartSeries(label=label, css=css, values=event.sessions))
        shades[event.type] += 1
    if rest:
        columns = zip(*(event.sessions for event in rest), strict=True)
        layers.append(
            ChartSeries(label=OTHERS, css="c-other", values=[sum(each) for each in columns])
        )
    return Chart(
        title="Database load: average active sessions by wait event",
        unit="sessions",
        times_ms=[round(start.timestamp() * 1000) for start in load.starts],
        series=layers,
        stacked=True,
        step_ms=load.step_s * 1000,
        bands=faults,
        behind="/traces",
    )


def _split(events: Sequence[WaitEvent]) -> tuple[list[WaitEvent], list[WaitEvent]]:
    """Split the events into shown and summed ones; the highest of each class is shown, also of a rare class.

    A short lock wait must be visible among hours of I/O.
    """
    first: dict[str, WaitEvent] = {}
    for event in events:
        first.setdefault(event.type, event)
    others = [event for event in events if event is not first[event.type]]
    room = max(0, MAX_LAYERS - 1 - len(first))
    return [*first.values(), *others[:room]], others[room:]


def _sparks(services: ServicesHealth) -> dict[str, dict[str, str]]:
    return {
        service.name: {"rate": sparkline(service.rates), "p95": sparkline(service.p95s)}
        for service in services.services
    }
