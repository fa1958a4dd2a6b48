"""Public records of exams in a state directory, without an exam process."""

import os

import psutil

from lab.exam.doors import Door
from lab.exam.place import Place, Record, State
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

EXAM = "0123456789ab"
MINUTE_NS = 60 * NS_PER_S


def begin(
    settings: LabSettings,
    *opened: Door,
    state: State = State.RUNNING,
    left_ns: int = MINUTE_NS,
    alive: bool = True,
) -> Place:
    """Write the record of an exam whose process is this one; `left_ns` is the time to its deadline."""
    place = Place(settings)
    now_ns = clock.now_ns()
    begun = state is not State.PREPARING
    place.write(
        Record(
            exam=EXAM,
            state=state,
            doors=tuple(door.value for door in opened),
            minutes=15.0,
            commitment="0" * 64,
            pid=os.getpid() if alive else 2**22,
            created=psutil.Process().create_time(),
            started_ns=now_ns - MINUTE_NS,
            clock_ns=now_ns - MINUTE_NS if begun else None,
            deadline_ns=now_ns + left_ns if begun else None,
        )
    )
    return place
