"""The forms of `/exam`: start, answer, hint and stop, by POST from the console's own page.

lab/console/guard.py has refused other sites before. The page is in lab/console/pages/exam.py.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from lab.console.answering import Access
from lab.exam import doors, form, relay, session
from lab.exam.errors import ExamError, FormError
from lab.exam.session import Options
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings

MAX_BYTES = 20_000
Fields = Mapping[str, str]


def routes(settings: LabSettings, access: Access) -> list[Route]:
    """Return the routes of the forms."""
    actions: dict[str, Callable[[LabSettings, Fields], None]] = {
        "/exam/start": _start,
        "/exam/answer": _answer,
        "/exam/hint": _hint,
        "/exam/stop": _stop,
    }

    def endpoint(action: Callable[[LabSettings, Fields], None]) -> Callable[[Request], object]:
        async def respond(request: Request) -> Response:
            if not access.is_authorized(request):
                return PlainTextResponse("a bearer token is needed", status_code=401)
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    return PlainTextResponse("the form is too large", status_code=413)
            given = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
            fields = {name: ",".join(values).strip() for name, values in given.items()}
            return await to_thread.run_sync(_done, action, settings, fields)

        return respond

    return [
        *(Route(path, endpoint(action), methods=["POST"]) for path, action in actions.items()),
        Route(relay.PATH, _relayed(settings, access), methods=["PUT"]),
    ]


def _relayed(settings: LabSettings, access: Access) -> Callable[[Request], object]:
    """Return the endpoint for the exam process of a lab in containers; lab/exam/relay.py is its client."""

    async def respond(request: Request) -> Response:
        if not access.is_authorized(request):
            return _refused("a bearer token is needed", HTTPStatus.UNAUTHORIZED)
        if not settings.services_by_name:
            return _refused("this console reads the exam's own files", HTTPStatus.CONFLICT)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > relay.MAX_BYTES:
                return _refused(
                    f"more than {relay.MAX_BYTES:,} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                )
        try:
            update = msgspec.json.decode(body, type=relay.Update)
            played = await to_thread.run_sync(relay.receive, settings, update)
        except (LabError, msgspec.MsgspecError) as error:
            return _refused(str(error), HTTPStatus.BAD_REQUEST)
        return Response(msgspec.json.encode(played), media_type="application/json")

    return respond


def _refused(message: str, status: HTTPStatus) -> Response:
    return JSONResponse({"errors": [message]}, status_code=status)


def _done(
    action: Callable[[LabSettings, Fields], None], settings: LabSettings, fields: Fields
) -> Response:
    """Return to the page; an error is shown there, with what was filled in."""
    try:
        action(settings, fields)
    except LabError as error:
        kept = {name: value[:200] for name, value in fields.items() if value}
        query = urlencode({"error": str(error)[:400], **kept})
        return RedirectResponse(f"/exam?{query}", status_code=303)
    return RedirectResponse("/exam", status_code=303)


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
    session.begin(settings, Options(doors=opened, minutes=wanted))


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
    session.submit(settings, form.decode(msgspec.json.encode(document)))


def _finding(fields: Fields, prefix: str) -> dict[str, object]:
    return {
        "kind": fields.get(f"{prefix}kind", ""),
        "object": fields.get(f"{prefix}object", ""),
        "culprit": fields.get(f"{prefix}culprit", ""),
        "chain": fields.get(f"{prefix}chain", "").replace(",", " ").split(),
        "onset": fields.get("onset", ""),
    }


def _hint(settings: LabSettings, fields: Fields) -> None:
    del fields
    session.hint(settings)


def _stop(settings: LabSettings, fields: Fields) -> None:
    del fields
    session.request_stop(settings)
