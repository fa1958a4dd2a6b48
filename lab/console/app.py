"""The console's ASGI application: /healthz, /metrics, pages, APIs and intake, with their threads.

The threads belong to the application's lifespan, not to the main program: uvicorn raises the signal that
stopped it again, so that code after its `run` may not be executed.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus

from anyio import to_thread
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.console import api, exam, jaeger, loki, notifications, saved_links
from lab.console.access import Access
from lab.console.answering import receiver
from lab.console.doors import Doored
from lab.console.guard import Guarded
from lab.console.host import HostMetrics
from lab.console.metrics import ConsoleMetrics
from lab.console.notifications import NotificationFile
from lab.console.pages import PAGES, Site
from lab.console.sampling import SamplingWatch
from lab.console.saved_links import SavedLinks
from lab.drilldown import Drilldown
from lab.drills.mark import Mark
from lab.drills.reporting import PATH
from lab.drills.summary import MAX_BYTES, SummaryFile
from lab.exam.doors import Door, doors
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry import redact
from lab.telemetry.activity import ActivitySampler
from lab.telemetry.intake import Gate, routes
from lab.telemetry.pglog import LogReader
from lab.telemetry.store import Bounds, Reader, Record, Writer
from lab.telemetry.truth import Sampler
from workload import __version__
from workload.request_policy import RequestPolicy


class Console:
    """The components of the console process; `application` serves them, and its lifespan runs their threads.

    Raises:
        StoreError: when the store's file cannot be used.
        OSError: when the key file for hashed names cannot be used.
    """

    def __init__(self, settings: LabSettings) -> None:
        paths = Paths.of(settings)
        self._registry = registry = CollectorRegistry()
        self.metrics = metrics = ConsoleMetrics(registry)
        drills = SummaryFile(paths)
        registry.register(Mark(drills))
        registry.register(HostMetrics())
        ProcessCollector(registry=registry)
        self._writer = Writer(paths.store, Bounds.of(settings), metrics)
        redact.use_file(paths.name_key)
        directory = settings.postgres_log_dir or paths.postgres / "data" / "log"
        self._threads = (
            self._writer,
            LogReader(directory, Reader(paths.store), self._writer, metrics),
            Sampler(settings, self._writer.offer, metrics),
            ActivitySampler(settings, self._writer.offer, metrics),
        )
        secret = settings.lab_console_token
        token = secret.get_secret_value() if secret else None
        self._gate = Gate(token)
        drilldown, access = Drilldown.of(settings), Access(self._gate, token)
        self._settings = settings
        self._site = Site(drilldown, access, PAGES)
        self._apis = [
            *api.routes(drilldown, access),
            *jaeger.routes(drilldown, access),
            *loki.routes(drilldown, access),
            *exam.routes(settings, access),
            *saved_links.routes(SavedLinks(paths), access),
            Route(PATH, receiver(access, MAX_BYTES, drills.update), methods=["PUT"]),
            notifications.route(NotificationFile(paths), access),
        ]
        self._sampling = SamplingWatch(Reader(paths.store))

    def application(self) -> Starlette:
        """Return the ASGI application; its lifespan runs the writer, the log reader and both samplers."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            with ExitStack() as stack:
                for thread in self._threads:
                    stack.enter_context(thread)
                yield

        own = [Route("/healthz", self._healthz), Route("/metrics", self._metrics)]
        intake = routes(self._offer, self._gate, self.metrics)
        return Starlette(
            routes=[*own, *self._site.routes(), *self._apis, *intake],
            middleware=[
                # The host name of the console in Compose and Kubernetes.
                Middleware(Guarded, policy=RequestPolicy.of(self._settings, ["console"])),
                Middleware(Doored, settings=self._settings),
            ],
            exception_handlers={HTTPException: self._no_such_page},
            lifespan=lifespan,
        )

    def _offer(self, records: Sequence[Record]) -> bool:
        taken = self._writer.offer(records)
        if taken:
            self.metrics.offered(records)
        return taken

    async def _healthz(self, _: Request) -> Response:
        """Answer the state of the console; in an exam with closed doors nothing of the observers."""
        metrics = self.metrics
        document = {"service": "console", "version": __version__, "state": "running"}
        if not await to_thread.run_sync(self._all_doors_open):
            return JSONResponse(document)
        return JSONResponse({
            **document,
            "log_trouble": metrics.log_trouble,
            "sampling_trouble": metrics.activity_trouble,
            "store_trouble": metrics.store_trouble,
            "rates": {
                "spans_per_s": round(metrics.spans.per_second(), 1),
                "dbm_events_per_min": round(metrics.dbm_events.per_second() * 60, 1),
                "log_lines_per_s": round(metrics.log_lines.per_second(), 1),
            },
            "unread_forms": sorted(metrics.unread_forms),
            "metric_names": metrics.metric_names,
            "traces_sampled_away": await to_thread.run_sync(self._sampling),
            "store_bytes": metrics.used_bytes,
            "refused_records": dict(metrics.refused_records),
        })  # fmt: skip

    def _all_doors_open(self) -> bool:
        return doors(self._settings).is_open(*Door)

    async def _no_such_page(self, request: Request, error: Exception) -> Response:
        """Answer 404 with a page for browsers, and with JSON for programs."""
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.NOT_FOUND and "text/html" in request.headers.get(
            "accept", ""
        ):
            return self._site.not_found(request)
        return JSONResponse({"errors": [error.detail]}, status_code=error.status_code)

    async def _metrics(self, request: Request) -> Response:
        if not self._gate.knows(request):
            return JSONResponse({"errors": ["a bearer token is needed"]}, status_code=401)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
