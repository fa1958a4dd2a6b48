"""The forms of `/exam`: start, answer, hint and stop. The page is in lab/console/pages/exam.py."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab.console.access import Access
from lab.console.answering import body_of, refused
from lab.console.forms import Fields, form
from lab.exam import doors, relay, session, starting
from lab.exam.errors import ExamError, FormError
from lab.exam.form import decode
from lab.exam.starting import Options
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings


def routes(settings: LabSettings, access: Access) -> list[Route]:
    """Return the routes of the forms, and of the exam process of a lab in containers."""
    actions: dict[str, Callable[[LabSettings, Fields], object]] = {
        "start": _start,
        "answer": _answer,
        "hint": lambda settings, _: session.hint(settings),
        "stop": lambda settings, _: session.request_stop(settings),
    }
    return [
        *(
            form("/exam", f"/exam/{name}", partial(action, settings), access)
            for name, action in actions.items()
        ),
        Route(relay.PATH, _relayed(settings, access), methods=["PUT"]),
    ]


def _relayed(settings: LabSettings, access: Access) -> Callable[[Request], object]:
    """Return the endpoint for the exam process of a lab in containers; lab/exam/relay.py is its client."""

    async def respond(request: Request) -> Response:
        if not access.is_authorized(request):
            return refused("a bearer token is needed", HTTPStatus.UNAUTHORIZED)
        if not settings.services_by_name:
            return refused("this console reads the exam's own files", HTTPStatus.CONFLICT)
        body = await body_of(request, relay.MAX_BYTES)
        if body is None:
            message = f"more than {relay.MAX_BYTES:,} bytes"
            return refused(message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            update = msgspec.json.decode(body, type=relay.Update)
            played = await to_thread.run_sync(relay.receive, settings, update)
        except (LabError, msgspec.MsgspecError) as error:
            return refused(str(error), HTTPStatus.BAD_REQUEST)
        return Response(msgspec.json.encode(played), media_type="application/json")

    return respond


def _start(settings: LabSettings, fields: Fields) -> None:
    minutes = fields.get("minutes", "15")
    try:
        wanted = float(minutes)
    except ValueError:
        raise ExamError(f'minutes "{minutes[:40]}": a number from 1 to 120 is expected.') from None
    if settings.services_by_name:
        raise ExamError(
            "The lab runs in containers.\nStart the exam beside them: ./creditlab exam start"
        )
    if not fields.get("with"):
        raise ExamError("No door is open: at least one observer is expected.")
    opened = doors.parse(fields["with"])
    starting.begin(settings, Options(doors=opened, minutes=wanted))


def _answer(settings: LabSettings, fields: Fields) -> None:
    findings = [_finding(fields, "")]
    if fields.get("also_kind"):
        findings.append(_finding(fields, "also_"))
    confidence = fields.get("confidence", "50")
    if not confidence.isdecimal():
        raise FormError(f'confidence "{confidence[:40]}": a percentage is expected.')
    document = {
        "findings": findings,
        "confidence": int(confidence) / 100,
        "evidence": fields.get("evidence", "").replace(",", " ").split(),
    }
    session.submit(settings, decode(msgspec.json.encode(document)))


def _finding(fields: Fields, prefix: str) -> dict[str, object]:
    return {
        "kind": fields.get(f"{prefix}kind", ""),
        "object": fields.get(f"{prefix}object", ""),
        "culprit": fields.get(f"{prefix}culprit", ""),
        "chain": fields.get(f"{prefix}chain", "").replace(",", " ").split(),
        "onset": fields.get("onset", ""),
    }
