"""`python -m workload SERVICE`: run one of the five services, all of them in one process, or the shop.

Exit status: 0 after SIGTERM or SIGINT, 2 when a setting is wrong or the port is taken.
"""

import argparse
import gc
import logging
import signal
import sys
import threading

from workload import logs, server, tracing
from workload.errors import WorkloadError
from workload.metrics import Metrics
from workload.operation import Service
from workload.process import RunningService, new_registry
from workload.services import SERVICES
from workload.settings import Settings

log = logging.getLogger("workload")


def main() -> int:
    """Run until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m workload", description=__doc__)
    parser.add_argument("service", choices=[*SERVICES, "shop", "all"])
    name = parser.parse_args().service
    listen: server.Listen = server.listen
    if name == "shop":
        # Only the shop needs the web framework.
        from workload.shop import shoppers, web  # noqa: PLC0415

        services, listen = [shoppers.SERVICE], web.listen
    else:
        services = list(SERVICES.values()) if name == "all" else [SERVICES[name]]
    dd_service = "credit-lab" if name == "all" else services[0].dd_service
    logs.start(dd_service)
    try:
        settings = Settings.load()
        run(services, settings, tracing.start(settings, dd_service), listen)
    except WorkloadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(
    services: list[Service], settings: Settings, spans: tracing.Tracing, listen: server.Listen
) -> None:
    """Start the services, wait for SIGTERM or SIGINT, drain."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    registry = new_registry()
    metrics = Metrics(registry)
    running = [
        RunningService(service, settings=settings, metrics=metrics, tracing=spans)
        for service in services
    ]
    port = services[0].port(settings)
    listen(server.Control(running, registry, settings), settings, port=port)
    # Objects created so far are permanent: exclude them from full collections, which stop all threads.
    gc.freeze()
    for service in running:
        service.start()
    log.info("listening on port %d", port, extra={"fields": {"instance": str(running[0].instance)}})
    stopped.wait()
    for service in running:
        service.stop()
    spans.flush()


if __name__ == "__main__":
    sys.exit(main())
