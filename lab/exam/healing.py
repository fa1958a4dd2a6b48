"""The heal of an exam whose process died: the lab is restored, and the exam is void."""

from lab.exam import ending, restoring
from lab.exam.place import Place, Record
from lab.exam.relay import Relay
from lab.exam.restoring import Snapshot
from lab.foundation import clock, statefile
from lab.foundation.lock import LockedError
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings

RECOVERED_WITHIN_S = 180.0
KILLED = "the exam process was killed before the exam had a result"


def heal(settings: LabSettings, place: Place, record: Record) -> Record:
    """Heal and void an exam whose process died, and return its record.

    Raises:
        ExamError: when the lab could not be restored; the next call tries again.
    """
    done: list[Record] = []

    def healed() -> str | None:
        try:
            with place.locked():
                done.extend(_void(settings, place))
        except LockedError as error:
            return str(error)
        return None

    # The guardian of the exam may be at it.
    await_state("the exam is healed", healed, within_s=RECOVERED_WITHIN_S)
    return done[0] if done else record


def _void(settings: LabSettings, place: Place) -> list[Record]:
    record = place.current()
    if record is None or not record.is_open:
        return []
    files = place.files(record.exam)
    snapshot = statefile.read(files.snapshot, Snapshot)
    if snapshot is not None:  # otherwise nothing was injected
        restoring.restore(settings, snapshot)
    relay = Relay.of(settings, place, record.exam)
    relay.exchange(record)
    log = ending.log_of(record, files, ended_ns=clock.now_ns(), void=KILLED)
    relay.end(ending.keep(place, record, log, "unknown: run ./creditlab verify"))
    return [record]
