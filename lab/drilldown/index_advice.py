"""Index advice by hypothetical plans: the planner's cost of a statement with and without an index (HypoPG).

Nothing is executed and nothing is created: the statement is planned for unknown parameters (its generic plan)
in a read-only transaction of the role `lab`, and the hypothetical index exists in that session only. So
statements that write have no advice: the role may not plan them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.clients.database import Connection, Role, connect, dsn, read_only, rows
from lab.drilldown.index_candidates import Candidate, candidates
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from workload.statements import texts

TIMEOUT_S = 2.0
# Of the generic plan's cost: a smaller gain is not worth the writes of an index.
WORTH = 0.7
# Of the planner's cost units, each a page read in sequence: a cheap statement needs no index.
LEAST_GAIN = 10.0
# Costs this close are equal: the index with fewer columns is preferred.
CLOSE = 1.05
MOST = 3
INSUFFICIENT_PRIVILEGE = "42501"
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
PARAMETER = re.compile(r"\$([0-9]{1,4})\b")
NOT_INSTALLED = (
    "HypoPG is not installed in this PostgreSQL. Install the package postgresql-15-hypopg, then run"
    " ./creditlab restart; the container image does not contain it"
)
SQL = texts(Path(__file__).with_suffix(".sql"), service="console")


@dataclass(frozen=True, kw_only=True, slots=True)
class HypotheticalIndex:
    """An index that does not exist; costs are the planner's, for the whole statement.

    Attributes:
        definition: the CREATE INDEX that would make it.
        size_bytes: HypoPG's estimate.
    """

    definition: str
    cost_before: float
    cost_after: float
    size_bytes: int

    @property
    def sentence(self) -> str:
        """Return the advice, such as `with an index on t (c): cost 1,234 -> 12 (estimated, not executed)`."""
        on = self.definition.removeprefix("CREATE INDEX ON ").removesuffix(";")
        costs = f"cost {self.cost_before:,.0f} -> {self.cost_after:,.0f}"
        return f"with an index on {on}: {costs} (estimated, not executed)"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAdvice:
    """Indexes that would make a statement cheaper, the best first; `reason` when there are none."""

    indexes: tuple[HypotheticalIndex, ...] = ()
    reason: str | None = None


def advise(settings: LabSettings, queryids: Sequence[str]) -> IndexAdvice:
    """Return the advice for a statement of the application, of several queryids the most frequent one."""
    try:
        with (
            connect(
                dsn(settings, Role.LAB), application_name="credit-lab advice", connect_timeout_s=2
            ) as connection,
            read_only(
                connection, statement_timeout_s=TIMEOUT_S, lock_timeout_s=TIMEOUT_S, roll_back=True
            ),
        ):
            return _advise(connection, [int(queryid) for queryid in queryids])
    except DatabaseError as error:
        if error.sqlstate == INSUFFICIENT_PRIVILEGE:
            return IndexAdvice(
                reason="the role lab may plan only statements that read, without locks"
            )
        return IndexAdvice(reason=f"PostgreSQL cannot plan it: {str(error).partition(chr(10))[0]}")


def _advise(connection: Connection, queryids: Sequence[int]) -> IndexAdvice:
    [(installed, allowed)] = rows(connection, SQL["hypopg"])
    if not installed:
        return IndexAdvice(reason=NOT_INSTALLED)
    if not allowed:
        return IndexAdvice(
            reason="the role lab may not call HypoPG's functions: run ./creditlab restart"
        )
    found = rows(connection, SQL["text"], {"queryids": list(queryids), "role": Role.APP.value})
    if not found:
        return IndexAdvice(reason="pg_stat_statements does not have its text")
    # Without comments: pg_stat_statements counts what EXPLAIN plans, and would give it the name, too.
    text = COMMENT.sub(" ", str(found[0][0]))
    if ";" in text:
        return IndexAdvice(reason="its text in pg_stat_statements contains a semicolon")
    # The first call also loads the library with its planner hook.
    rows(connection, "SELECT hypopg.hypopg_reset()")
    rows(connection, "SET LOCAL plan_cache_mode = force_generic_plan")
    plan = _plan(connection, text)
    better = list(_tried(connection, text, plan))
    if not better:
        return IndexAdvice(
            reason="no index of one to three columns makes its generic plan much cheaper"
        )
    return IndexAdvice(indexes=tuple(_best(better)))


def _plan(connection: Connection, text: str) -> Mapping[str, Any]:
    """Return the generic plan of a statement; a new prepared statement each time, as a plan is cached."""
    count = max((int(number) for number in PARAMETER.findall(text)), default=0)
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    rows(connection, f"PREPARE advised AS {text}")
    [[document]] = rows(connection, f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE advised{values}")
    rows(connection, "DEALLOCATE advised")
    parsed = json.loads(document) if isinstance(document, str) else document
    plan: Mapping[str, Any] = parsed[0]["Plan"]
    return plan


def _tried(
    connection: Connection, text: str, plan: Mapping[str, Any]
) -> Iterator[tuple[Candidate, HypotheticalIndex]]:
    before = float(plan["Total Cost"])
    for candidate in candidates(plan):
        definition = _definition(connection, candidate)
        rows(connection, "SAVEPOINT tried")
        try:
            [[oid, name]] = rows(
                connection, "SELECT * FROM hypopg.hypopg_create_index(%s)", [definition]
            )
            after = _plan(connection, text)
            [[size]] = rows(connection, "SELECT hypopg.hypopg_relation_size(%s)", [oid])
            rows(connection, "SELECT hypopg.hypopg_reset()")
        except DatabaseError:
            # A type without an order, for example: no index of this kind exists.
            for undo in ("ROLLBACK TO tried", "DEALLOCATE ALL", "SELECT hypopg.hypopg_reset()"):
                rows(connection, undo)
            continue
        cost = float(after["Total Cost"])
        if cost <= min(WORTH * before, before - LEAST_GAIN) and str(name) in json.dumps(after):
            index = HypotheticalIndex(
                definition=f"{definition};",
                cost_before=before,
                cost_after=cost,
                size_bytes=int(size),
            )
            yield candidate, index


def _definition(connection: Connection, candidate: Candidate) -> str:
    given = [candidate.schema, candidate.table, list(candidate.columns)]
    [[definition]] = rows(connection, SQL["definition"], given)
    return str(definition)


def _best(found: list[tuple[Candidate, HypotheticalIndex]]) -> Iterator[HypotheticalIndex]:
    """Yield one index for each table: of nearly equal costs the one with the fewest columns."""
    tables: dict[tuple[str, str], list[tuple[Candidate, HypotheticalIndex]]] = {}
    for candidate, index in found:
        tables.setdefault((candidate.schema, candidate.table), []).append((candidate, index))
    best = []
    for group in tables.values():
        least = min(index.cost_after for _, index in group)
        close = [each for each in group if each[1].cost_after <= CLOSE * least]
        best.append(min(close, key=lambda each: (len(each[0].columns), each[1].cost_after))[1])
    yield from sorted(best, key=lambda index: index.cost_after)[:MOST]
