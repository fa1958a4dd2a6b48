"""Synthetic logs of exams: one for each template, with evidence of every door that was opened."""

import dataclasses
import random

from lab.exam import sealing
from lab.exam.doors import Door
from lab.exam.items import TEMPLATES, draw
from lab.exam.log import ExamLog, TrueFault
from lab.exam.players import Player
from lab.exam.requests import Request
from lab.foundation.timestamps import NS_PER_S

START_NS = 1_795_892_400 * NS_PER_S
COMPONENTS = {"datadog": "agent-stopped", "postgres_exporter": "exporter-stopped"}


def unanswered(number: int, seed: int = 15, doors: tuple[Door, ...] = tuple(Door)) -> ExamLog:
    """Return the log of an exam whose player has opened every door once."""
    item = draw(seed, number)
    clock_ns = START_NS + round(item.onset_s * NS_PER_S)
    faults = tuple(
        TrueFault(
            kind=fault.kind,
            objects=(f"statement_{place}", str(10**17 + place), fault.victim),
            culprits=(*fault.culprits, str(4000 + place)),
            heads=(str(4000 + place),) if fault.kind == "row-lock-chain" else (),
            chain=(str(4000 + place), str(4100 + place)) if fault.kind == "row-lock-chain" else (),
            onset_ns=clock_ns - 3 * NS_PER_S,
            evidence=(f"trace:{place:032x}", f"plan:{10**17 + place}", f"sample:{4000 + place}",
                      f"series:pg_metric_{place}", "log:"),
        )
        for place, fault in enumerate(item.faults)
    )  # fmt: skip
    shown = tuple(reference for fault in faults for reference in fault.evidence)
    noise = (f"trace:{99:032x}", "plan:987654321987654321", "sample:77", "series:up_total")
    requests = tuple(
        Request(at_ns=clock_ns + 1, door=door, what="/", size=100, shown=shown + noise)
        for door in doors
    )
    seal = sealing.seal(seed, number, item)
    return ExamLog(
        exam="0123456789ab",
        seal=seal,
        commitment=seal.commitment,
        doors=tuple(door.value for door in doors),
        minutes=15.0,
        started_ns=START_NS,
        clock_ns=clock_ns,
        ended_ns=clock_ns + 40 * NS_PER_S,
        faults=faults,
        neutral=(COMPONENTS[item.without_data],) if item.without_data else (),
        requests=requests,
    )


def played(player: Player, number: int, seed: int = 15) -> ExamLog:
    """Return the log of an exam that a scripted player has answered."""
    log = unanswered(number, seed)
    drawn = random.Random(f"{number} {seed}")
    return dataclasses.replace(log, answer=player(log, drawn))


FAULTY = [number for number, template in enumerate(TEMPLATES) if template.faults]
HEALTHY = [number for number, template in enumerate(TEMPLATES) if not template.faults]
