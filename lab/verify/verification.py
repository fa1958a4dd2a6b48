"""Runs all checks of `verify`; a check that cannot be made is unknown."""

from collections.abc import Callable, Iterator

from lab.clients.services import ServiceClient, ServiceUnreachableError, clients, shop_client
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.verify import counters, invariants
from lab.verify.quiescence import NotQuiescentError, NotResumedError, window
from lab.verify.report import Check, Report, unknown
from workload.services import SERVICES

WINDOW_S = 4.0


def run(
    settings: LabSettings,
    *,
    window_s: float = WINDOW_S,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run all checks; this takes one or two seconds plus the window.

    Args:
        settings: the addresses of database and services.
        window_s: seconds for which the services run between the quiescent moments.
        progress: called with the name of each step before it begins.

    A check whose query PostgreSQL does not answer is unknown in the report.
    """
    progress("money and customers")
    checks = list(_known(invariants.check(settings), "invariants"))
    progress(f"counters of the services over {window_s:g} s")
    checks += _known(_counters(settings, window_s), "counters")
    return Report(checks=checks)


def _known(checks: Iterator[Check], what: str) -> Iterator[Check]:
    """Yield checks up to the first database error; that check is unknown."""
    try:
        yield from checks
    except DatabaseError as error:
        yield unknown(what, str(error))


def _counters(settings: LabSettings, window_s: float) -> Iterator[Check]:
    services = [c for c in (*clients(settings), shop_client(settings)) if _answers(c)]
    try:
        start, end = window(services, settings, seconds=window_s)
    except (NotQuiescentError, NotResumedError, ServiceUnreachableError) as error:
        yield unknown("counters", "\n".join([str(error), *getattr(error, "__notes__", ())]))
        return
    missing = [s.dd_service for s in SERVICES.values() if s.dd_service not in end.instances]
    if missing:
        yield unknown("services", f"Not running, and not compared: {', '.join(missing)}.")
    yield from counters.attempted_rows(start, end)
    yield from counters.acknowledged(end)
    if counters.SHOP in end.instances:
        yield from counters.shop(start, end)


def _answers(client: ServiceClient) -> bool:
    try:
        client.health()
    except ServiceUnreachableError:
        return False
    return True
