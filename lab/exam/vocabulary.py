"""The closed vocabulary of the exam: kinds of faults with their families, applications, components.

The kinds have the names of the drills. A family groups kinds that look alike; the right family earns a
part of the credit for the class.
"""

from types import MappingProxyType

NOTHING = "nothing"
# Kind: family, and what the player reads in the form.
KINDS = MappingProxyType({
    "row-lock-chain": ("locks", "sessions wait for row locks, one behind the other"),
    "ddl-queue": ("locks", "a change of a table waits, and all later statements behind it"),
    "idle-in-transaction": ("locks", "an idle session leaves its transaction open"),
    "deadlocks": ("locks", "transactions lock the same rows in opposite orders"),
    "missing-index": ("plans", "an index that a frequent statement needs is missing"),
    "stale-statistics": ("plans", "old statistics lead to wrong plans"),
    "sequential-scans": ("plans", "a new statement scans a large table repeatedly"),
    "slow-query": ("statements", "a statement joins far too many rows"),
    "cpu-bound-sql": ("statements", "statements that only compute"),
    "work-mem-spill": ("statements", "sorts exceed work_mem and write temporary files"),
    "n-plus-one": ("traffic", "one query for each line of a list"),
    "burst": ("traffic", "short bursts of one statement, with pauses"),
    "rollback-storm": ("traffic", "transactions are rolled back again and again"),
    "connection-exhaustion": ("capacity", "an application opens all sessions of its role"),
    "held-snapshot": ("capacity", "dead tuples accumulate under an old snapshot"),
    "checkpoint-pressure": ("capacity", "writes force one checkpoint after the other"),
    "slow-application": ("outside", "a service is slow outside the database"),
    "service-stopped": ("outside", "a service is stopped"),
    "exporter-stopped": ("observers", "postgres_exporter is stopped"),
    "agent-stopped": ("observers", "the Agent is stopped"),
    NOTHING: ("healthy", "nothing is wrong"),
})  # fmt: skip
SERVICES = (
    "credit-proposals",
    "credit-underwriting",
    "credit-customers",
    "credit-servicing",
    "credit-risk",
)
# Applications of the bank beside the five services; a fault's own sessions have one of these names.
APPLICATIONS = (
    "partner-sync",
    "branch-portal",
    "finance-report",
    "marketing-export",
    "back-office",
    "billing-batch",
)
# The application of what is conspicuous and harmless.
OPERATIONS = "ops-scripts"
# Names that may be answered as an object, besides the names of statements and queryids.
TABLES = (
    "customers",
    "credit_products",
    "credit_proposals",
    "credit_analysis",
    "credit_contracts",
    "installments",
    "credit_transactions",
    "audit_log",
)


def family(kind: str) -> str:
    """Return the family of a kind.

    >>> family("deadlocks")
    'locks'
    """
    return KINDS[kind][0]
