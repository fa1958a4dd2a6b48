"""The items of the exam: faults with victim, culprit and intensity, from a template and a seed.

An item is a pure function of the seed. Templates vary what must differ: the kind and its victim, two faults
at once, an observer without data, and a healthy lab. The seed chooses the template, the culprit, the
intensity, the onset, the duration and what is conspicuous but harmless.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from lab.exam.errors import ExamError
from lab.exam.vocabulary import APPLICATIONS, SERVICES

MAX_SEED = 2**63 - 1
ONSET_S = (4.0, 30.0)
DURATION_S = (240.0, 900.0)
INTENSITIES = (0.8, 1.0, 1.5, 2.0)
# Kinds with sessions of their own: an application of the bank is the culprit.
VICTIMS = MappingProxyType({
    "row-lock-chain": ("customers", "credit_proposals", "installments"),
    "ddl-queue": ("customers", "credit_proposals", "credit_contracts"),
    "idle-in-transaction": ("customers", "credit_contracts", "installments"),
    "deadlocks": ("customers", "credit_proposals", "credit_contracts"),
    "sequential-scans": ("installments", "credit_proposals", "credit_transactions"),
    "slow-query": ("credit_proposals", "credit_contracts", "installments"),
    "cpu-bound-sql": ("customers", "credit_analysis"),
    "work-mem-spill": ("installments", "credit_proposals", "credit_transactions"),
    "n-plus-one": ("installments", "credit_proposals", "credit_transactions"),
    "burst": ("credit_proposals", "credit_analysis"),
    "rollback-storm": ("credit_products", "customers"),
    "connection-exhaustion": ("credit_app",),
    "held-snapshot": ("customers", "credit_proposals"),
    "checkpoint-pressure": ("import_staging",),
})  # fmt: skip
# Kinds without: the affected service, or the component, is the answer to "which culprit".
AFFECTED = MappingProxyType({
    "missing-index": MappingProxyType({
        "credit_proposals_customer": ("credit-customers",),
        "credit_proposals_submitted": ("credit-proposals",),
        "installments_open_due": ("credit-servicing",),
    }),
    "stale-statistics": MappingProxyType({
        "installments": ("credit-underwriting", "credit-customers"),
    }),
    "slow-application": MappingProxyType({name: (name,) for name in SERVICES}),
    "service-stopped": MappingProxyType({name: (name,) for name in SERVICES}),
    "exporter-stopped": MappingProxyType({"postgres_exporter": ("postgres_exporter",)}),
    "agent-stopped": MappingProxyType({"datadog": ("datadog",)}),
})  # fmt: skip
DOUBLES = (
    (("row-lock-chain", "customers"), ("work-mem-spill", "installments")),
    (("deadlocks", "credit_proposals"), ("slow-query", "installments")),
    (("idle-in-transaction", "installments"), ("n-plus-one", "credit_proposals")),
    (("missing-index", "credit_proposals_customer"), ("cpu-bound-sql", "credit_analysis")),
    (("sequential-scans", "credit_transactions"), ("rollback-storm", "credit_products")),
    (("slow-application", "credit-proposals"), ("burst", "credit_analysis")),
    (("service-stopped", "credit-risk"), ("deadlocks", "customers")),
    (("connection-exhaustion", "credit_app"), ("sequential-scans", "installments")),
)
# The component that is stopped as well, so that one observer has no data.
WITHOUT_DATA = (
    (("row-lock-chain", "credit_proposals"), "datadog"),
    (("slow-query", "credit_contracts"), "datadog"),
    (("n-plus-one", "credit_transactions"), "postgres_exporter"),
    (("idle-in-transaction", "customers"), "postgres_exporter"),
    (("missing-index", "credit_proposals_submitted"), "datadog"),
    (("work-mem-spill", "credit_proposals"), "postgres_exporter"),
)


class Herring(StrEnum):
    """Something conspicuous and harmless."""

    VACUUM = "vacuum"
    CHECKPOINT = "checkpoint"
    REPORT = "report"
    IDLE = "idle"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of an item.

    Attributes:
        kind: see lab/exam/vocabulary.py.
        victim: a table, index, role, service or component.
        culprits: the application of the fault's sessions, or the affected services.
        intensity: factor on sessions, rows or rates.
    """

    kind: str
    victim: str
    culprits: tuple[str, ...]
    intensity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is injected in an exam; no fault: a healthy lab. `template` identifies it, without the seed."""

    template: str
    faults: tuple[Fault, ...]
    herrings: tuple[Herring, ...] = ()
    without_data: str | None = None
    onset_s: float
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Template:
    """The part of an item that no seed changes."""

    name: str
    faults: tuple[tuple[str, str], ...]
    without_data: str | None = None
    herrings: tuple[Herring, ...] | None = None


def _templates() -> tuple[Template, ...]:
    pairs = [(kind, victim) for kind, victims in VICTIMS.items() for victim in victims]
    pairs += [(kind, victim) for kind, victims in AFFECTED.items() for victim in victims]
    single = [Template(name=f"{kind}/{victim}", faults=((kind, victim),)) for kind, victim in pairs]
    double = [Template(name="+".join("/".join(f) for f in both), faults=both) for both in DOUBLES]
    partly = [
        Template(name=f"{fault[0]}/{fault[1]} without {gone}", faults=(fault,), without_data=gone)
        for fault, gone in WITHOUT_DATA
    ]
    healthy = [Template(name="nothing", faults=(), herrings=())]
    healthy += [Template(name=f"nothing/{each}", faults=(), herrings=(each,)) for each in Herring]
    return (*single, *double, *partly, *healthy)


TEMPLATES = _templates()


def draw(seed: int, number: int | None = None) -> Item:
    """Return the item of a seed.

    Args:
        seed: 0 to 2**63 - 1.
        number: of the template, from 0; None: the seed chooses it.

    Raises:
        ExamError: when the seed is out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ExamError(f"--seed {seed}: a number from 0 to {MAX_SEED} is expected.")
    drawn = random.Random(seed)
    chosen = drawn.randrange(len(TEMPLATES))
    template = TEMPLATES[chosen if number is None else number % len(TEMPLATES)]
    applications = drawn.sample(APPLICATIONS, len(APPLICATIONS))
    herrings = template.herrings
    if herrings is None:
        herrings = tuple(drawn.sample(list(Herring), drawn.randrange(2)))
    return Item(
        template=template.name,
        faults=tuple(
            Fault(
                kind=kind,
                victim=victim,
                culprits=AFFECTED[kind][victim] if kind in AFFECTED else (applications.pop(),),
                intensity=drawn.choice(INTENSITIES),
            )
            for kind, victim in template.faults
        ),
        herrings=herrings,
        without_data=template.without_data,
        onset_s=round(drawn.uniform(*ONSET_S), 1),
        duration_s=round(drawn.uniform(*DURATION_S), 1),
    )
