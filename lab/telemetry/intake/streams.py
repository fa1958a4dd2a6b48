"""The table of the intake's endpoints: path, stream (a metric label), decoder, answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from lab.telemetry.intake import agent, agent_metrics, dbm_metadata, dbm_records, tracer
from lab.telemetry.intake.decoded import Decoded
from lab.telemetry.intake.errors import decoding
from lab.telemetry.intake.trace_stats import trace_stats
from lab.telemetry.store import Record

OK = b'{"errors":[]}'
RATES = b'{"rate_by_service":{"service:,env:":1.0}}'
NOTHING = b"{}"
# ddtrace requests this before it sends, and uses the listed endpoints only. Statistics are not listed, so
# that the tracer leaves them to an Agent; nor is remote configuration, which it then does not poll.
INFO = json.dumps(
    {
        "version": "7.0.0-lab",
        "endpoints": ["/v0.4/traces", "/v0.5/traces", "/telemetry/proxy/"],
        "client_drop_p0s": False,
        "config": {"default_env": "lab"},
    }
).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One kind of request.

    Attributes:
        name: the metric label.
        decode: raises RejectedError for a malformed body.
        answer: body of the response when the request is accepted.
        status: HTTP status of that response.
        methods: HTTP methods.
        is_tracer: whether tracers send it. Their protocol has no authentication, as they send to an Agent on
            their own machine: from this machine it needs no token.
    """

    name: str
    decode: Callable[[bytes], Decoded]
    answer: bytes = OK
    status: int = 200
    methods: tuple[str, ...] = ("POST", "PUT")
    is_tracer: bool = False


def _stored(read: Callable[[bytes], list[Record]]) -> Callable[[bytes], Decoded]:
    def decode(body: bytes) -> Decoded:
        records = read(body)
        return Decoded(records=records, items=len(records))

    return decode


def _any(body: bytes) -> Decoded:
    """Accept a body without decoding it."""
    del body
    return Decoded(items=1)


def _json(body: bytes) -> Decoded:
    with decoding("JSON"):
        msgspec.json.decode(body or b"null", type=msgspec.Raw)
    return Decoded(items=1)


def _series(body: bytes) -> Decoded:
    """Decode series in JSON, from an older Agent or one with the JSON serializer, or in protobuf."""
    is_json = body[:1] == b"{"
    return agent_metrics.series_in_json(body) if is_json else agent_metrics.series_in_protobuf(body)


_check_run = Stream(name="check_run", decode=agent_metrics.service_checks)
_traces = Stream(name="traces_agent", decode=_stored(agent.traces), answer=RATES)
_v04 = Stream(name="traces_v04", decode=_stored(tracer.v04), answer=RATES, is_tracer=True)
_v05 = Stream(name="traces_v05", decode=_stored(tracer.v05), answer=RATES, is_tracer=True)
_metadata = Stream(name="host_metadata", decode=_json)

STREAMS = MappingProxyType({
    # From an Agent.
    "/api/v2/databasequery": Stream(name="dbm_samples", decode=_stored(dbm_records.samples)),
    "/api/v2/dbmmetrics": Stream(name="dbm_metrics", decode=_stored(dbm_records.metrics)),
    "/api/v2/dbmactivity": Stream(name="dbm_activity", decode=_stored(dbm_records.activity)),
    "/api/v2/dbmmetadata": Stream(name="dbm_metadata", decode=_stored(dbm_metadata.metadata)),
    "/api/v2/dbmhealth": Stream(name="dbm_health", decode=_json),
    "/api/v0.2/traces": _traces,
    "/api/v0.2/stats": Stream(
        name="trace_stats", decode=_stored(trace_stats), status=202
    ),
    "/api/v1/validate": Stream(
        name="validate", decode=_any, answer=b'{"valid":true}', methods=("GET", "POST")
    ),
    "/api/v1/check_run": _check_run,
    "/intake/": _metadata,
    "/api/v1/metadata": _metadata,
    "/api/v1/series": Stream(name="series", decode=agent_metrics.series_in_json),
    "/api/v2/series": Stream(name="series", decode=_series),
    "/api/beta/sketches": Stream(name="sketches", decode=_any),
    # From ddtrace.
    "/info": Stream(name="info", decode=_any, answer=INFO, methods=("GET", "POST")),
    "/v0.4/traces": _v04,
    "/v0.5/traces": _v05,
    "/telemetry/proxy/api/v2/apmtelemetry": Stream(name="telemetry", decode=_any, answer=NOTHING),
    "/api/v2/apmtelemetry": Stream(name="telemetry", decode=_any, answer=NOTHING),
    "/v0.7/config": Stream(
        name="remote_config", decode=_any, answer=NOTHING, methods=("GET", "POST")
    ),
})  # fmt: skip
