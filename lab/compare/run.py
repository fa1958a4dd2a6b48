"""Runs a comparison: all questions, with the answers of the components that run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.compare import processes, traffic
from lab.compare.arrived import Arrived
from lab.compare.comparison import Comparison
from lab.compare.costs import costs
from lab.compare.intake import Datadog
from lab.compare.questions import cost, load, plans, server, sessions, statements, tables
from lab.compare.questions.case import Case
from lab.compare.readings import Readings
from lab.compare.resources import gathered
from lab.compare.side import READ_WITHIN_S, PrometheusSide, TruthSide
from lab.compare.stages import Window
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import Reader

QUESTIONS = (load, statements, sessions, plans, tables, server, cost)
# Readings before the window: an observer's first moment may be before it.
BEFORE_NS = 60 * NS_PER_S
# The window begins no earlier than this after the first data of a side.
MARGIN_NS = NS_PER_S
LEAST_NS = 10 * NS_PER_S
Sides = Callable[[Window], Datadog]


def run(
    settings: LabSettings, *, since_s: float, keys: DatadogSettings | None = None
) -> Comparison:
    """Return every question with its answers.

    Args:
        settings: of the lab that runs.
        since_s: how far back the window begins, in seconds. It begins later if a side has no data that old.
        keys: of a Datadog account; with both keys, and with data of an Agent, its API is asked.

    Raises:
        StoreError: when there is no store with the Agent's data.
    """
    reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
    now_ns, arrived = clock.now_ns(), Arrived.at_this_moment(reader)
    asked = Window(since_ns=now_ns - round(since_s * NS_PER_S), now_ns=now_ns)
    readings = Readings.since(reader, asked.since_ns - BEFORE_NS)
    # From before the window: the first sample within it is up to an interval later.
    earlier = Window(since_ns=asked.since_ns - BEFORE_NS, now_ns=now_ns)
    window = common_window(
        asked,
        readings.begins,
        [PrometheusSide(settings, earlier).oldest_ns, Datadog(settings, asked).oldest_ns],
    )
    begin_ns, end_ns = readings.aligned(window.since_ns, window.now_ns)
    aligned = Window(since_ns=begin_ns, now_ns=end_ns)
    with _datadog(settings, (window, aligned), arrived, keys) as datadog:
        case = Case(
            window=window,
            readings=readings,
            truth=TruthSide(settings),
            prometheus=PrometheusSide(settings, window),
            aligned=PrometheusSide(settings, aligned),
            datadog=datadog,
        )
        rows = tuple(row for module in QUESTIONS for row in module.compare(case))
        by_role, seconds = costs(case.truth)
        sides = (case.truth, case.prometheus, case.datadog, case.datadog.spans)
        absent = [side.trouble for side in sides if side.trouble]
        if not readings.begins:
            absent.append("The lab has no readings of ground truth: the console makes them.")
        return Comparison(
            since_s=round(window.seconds, 1),
            asked_s=since_s,
            datadog=datadog.source,
            rows=rows,
            costs=by_role,
            costs_since_s=seconds,
            spent=gathered(
                processes.spent(settings), traffic.spent(settings, since_s=max(since_s, 60.0))
            ),
            absent=tuple(absent),
        )


def common_window(asked: Window, begins: list[int], oldest: list[int | None]) -> Window:
    """Return the part of a window that both stacks and the truth have; it ends with the last reading."""
    now_ns = begins[-1] if begins else asked.now_ns
    first = [*([begins[0]] if begins else []), *(at_ns for at_ns in oldest if at_ns is not None)]
    since_ns = max([asked.since_ns, *(at_ns + MARGIN_NS for at_ns in first)])
    return Window(since_ns=min(since_ns, now_ns - LEAST_NS), now_ns=now_ns)


@contextmanager
def _datadog(
    settings: LabSettings,
    windows: tuple[Window, Window],
    arrived: Arrived,
    keys: DatadogSettings | None,
) -> Iterator[Datadog]:
    """The source of Datadog's answers: the account if there is one with data, else the intake."""
    intake = Datadog(settings, *windows, arrived)
    if keys is None or keys.dd_api_key is None or keys.dd_app_key is None or intake.is_embedded:
        yield intake
        return
    # Imported here: the client takes half a second to load.
    from lab.compare.account import DatadogAccount  # noqa: PLC0415
    from lab.datadog.account import Account  # noqa: PLC0415
    from lab.datadog.api import Api  # noqa: PLC0415

    account = Account.of(keys)
    with Api(account) as api:
        yield DatadogAccount(settings, *windows, account, api)
