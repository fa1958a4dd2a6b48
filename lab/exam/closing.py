"""The end of a running exam when the lab stops."""

from contextlib import suppress

from lab.exam.place import Place
from lab.foundation.errors import LabError
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings


def stop_before_down(settings: LabSettings, reporter: Reporter) -> None:
    """End the running exam before the lab stops, if its process is alive; a failure is ignored."""
    with suppress(LabError):
        record = Place(settings).current()
        if record is not None and record.is_open and record.process() is not None:
            # Imported here: it needs every mechanism, and an exam rarely runs.
            from lab.exam import session  # noqa: PLC0415

            session.stop(settings, reporter)
