"""The exam of a lab in containers: its console has a state directory of its own, in a volume.

The exam process sends the public record to the console, which opens and closes its doors by it, and takes
back what the player did there: requests, hints, the answer. It does so again and again, so that the console
knows an exam whose process has died: without news it opens its doors (lab/exam/place.py).
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import msgspec

from lab.clients import console
from lab.exam import ending, requests, spans
from lab.exam.ending import Hint, Result, Submitted
from lab.exam.place import Place, Record
from lab.exam.requests import Request
from lab.foundation import statefile
from lab.foundation.settings import LabSettings
from lab.stack import mode

PATH = "/api/exam"
MAX_BYTES = 8_000_000
# Of one response, so that it stays small; the next one has the others.
MOST_REQUESTS = 50


@dataclass(frozen=True, kw_only=True)
class Spans:
    """The spans of these services in a time range; nanoseconds since 1970."""

    services: tuple[str, ...]
    since_ns: int
    until_ns: int


@dataclass(frozen=True, kw_only=True)
class Update:
    """What the exam process sends.

    Attributes:
        record: the public record.
        hints: that were given by any process.
        taken: how many of the console's requests it has.
        wanted: it asks for the traces of these spans.
        result: of an exam that is over.
    """

    record: Record
    hints: tuple[Hint, ...] = ()
    taken: int = 0
    wanted: Spans | None = None
    result: Result | None = None


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the player did in the console.

    Attributes:
        requests: through doors, without those that the exam process has; at most MOST_REQUESTS.
        hints: that were given.
        answer: None: none was submitted.
        is_stopped: whether the player has ended the exam.
        traces: the ids of the wanted traces.
    """

    requests: tuple[Request, ...] = ()
    hints: tuple[Hint, ...] = ()
    answer: Submitted | None = None
    is_stopped: bool = False
    traces: tuple[str, ...] = ()


def receive(settings: LabSettings, update: Update) -> Played:
    """Keep an update in the console's state directory, and return what the player did.

    Raises:
        LabError: when the exam has no valid name, or a file cannot be written.
    """
    place, record = Place(settings), update.record
    files = place.files(record.exam)
    statefile.make_directory(files.directory)
    # An answer of this moment is in the response, or is refused because the exam is being graded.
    with ending.form_locked(place):
        place.confirm(record)
        ending.add_hints(files, update.hints)
    if update.result is not None:
        statefile.write_json(files.result, update.result)
    wanted = update.wanted
    return Played(
        requests=requests.read(files.requests)[update.taken :][:MOST_REQUESTS],
        hints=ending.hints(files),
        answer=ending.submitted(files),
        is_stopped=files.stop.exists(),
        traces=(
            spans.traces(settings, wanted.services, wanted.since_ns, wanted.until_ns)
            if wanted
            else ()
        ),
    )


class Relay:
    """Exchanges the state of one exam with a console that does not share its files."""

    def __init__(self, settings: LabSettings, place: Place, exam: str, *, is_needed: bool) -> None:
        self._settings = settings
        self._place = place
        self._files = place.files(exam)
        self._is_needed = is_needed
        self._taken = 0

    @classmethod
    def of(cls, settings: LabSettings, place: Place, exam: str) -> Self:
        """Return the relay to the console of the running lab; natively it has nothing to do."""
        backend = next(mode.running(settings), None)
        return cls(settings, place, exam, is_needed=backend is not None and not backend.has_store)

    def exchange(self, record: Record, *, result: Result | None = None) -> bool:
        """Send the record, and keep what the player did in the console.

        Returns:
            False when the console did not answer; natively True: it reads the files itself.
        """
        if not self._is_needed:
            return True
        while played := self._sent(record, result=result):
            self._keep(played)
            if len(played.requests) < MOST_REQUESTS:
                return True
        return False

    def end(self, result: Result) -> None:
        """Send the result of an exam that is over, whose record says so."""
        record = self._place.current()
        if record is not None:
            self.exchange(record, result=result)

    def traces(
        self, record: Record, services: tuple[str, ...], since_ns: int, until_ns: int
    ) -> tuple[str, ...]:
        """Return the ids of the traces with spans of these services in a time range, sorted."""
        if not self._is_needed:
            return spans.traces(self._settings, services, since_ns, until_ns)
        wanted = Spans(services=services, since_ns=since_ns, until_ns=until_ns)
        played = self._sent(record, wanted=wanted)
        return played.traces if played else ()

    def _sent(
        self, record: Record, *, result: Result | None = None, wanted: Spans | None = None
    ) -> Played | None:
        hints = ending.hints(self._files)
        update = Update(record=record, hints=hints, taken=self._taken, wanted=wanted, result=result)
        body = console.put(self._settings, PATH, msgspec.json.encode(update))
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(body or b"", type=Played)
        return None

    def _keep(self, played: Played) -> None:
        known = set(requests.read(self._files.requests))
        for request in played.requests:
            # A new exam process, after a crash, has some of them.
            if request not in known:
                requests.append(self._files.requests, request)
        self._taken += len(played.requests)
        with ending.form_locked(self._place):
            ending.add_hints(self._files, played.hints)
            if played.answer is not None and not self._files.answer.exists():
                statefile.write_json(self._files.answer, played.answer)
        if played.is_stopped and not self._files.stop.exists():
            statefile.write(self._files.stop, b"{}")
