"""The check for an exam whose process died; most commands make it at their start."""

from lab.exam.place import Place, Record
from lab.foundation.settings import LabSettings


def recover(settings: LabSettings, place: Place) -> Record | None:
    """Heal and void an exam whose process died; return its record, None when there is nothing to do.

    Raises:
        ExamError: when the lab could not be restored; the next call tries again.
    """
    record = place.current()
    if record is None or not record.is_open or record.process() is not None:
        return None
    # Imported here: the heal needs every mechanism, and is rare.
    from lab.exam import healing  # noqa: PLC0415

    return healing.heal(settings, place, record)
