"""PromQL for statements: joins the queryids of pg_stat_statements with the statements' names.

The names come from the recorded series rather than from credit_statement_info, because a recorded series
can be filtered: it also has the statements without a name, as "unnamed".
"""


def names(*labels: str, **matchers: str) -> str:
    """Return one series of value 1 for each statement that ran recently.

    Args:
        labels: the labels to keep; by default user, queryid, statement and service.
        matchers: label=matcher, operator included: statement='="$statement"'.
    """
    kept = ", ".join(labels or ("user", "queryid", "statement", "service"))
    selector = ", ".join(f"{label}{matcher}" for label, matcher in matchers.items())
    recorded = f"statement:pg_stat_statements_calls:rate1m{{{selector}}}"
    # One per queryid: after a restart of Prometheus the old and the new name of a statement may coexist.
    return f"group by ({kept}) (topk by (user, queryid) (1, {recorded}))"


CHOSEN = {"service": '=~"$service"', "user": '=~"$user"'}
DETAIL = {"statement": '="$statement"', "queryid": '=~"$queryid"'}


def per_statement(metric: str, **matchers: str) -> str:
    """Return the increase of a counter in the time range, by statement."""
    grown = f"sum by (user, queryid) (increase(pg_stat_statements_{metric}[$__range]))"
    return f"{grown} * on (user, queryid) group_left (statement, service) {names(**matchers)}"


def of_one(metric: str, *, by: str = "", function: str = "rate", window: str) -> str:
    """Return a counter's increase for the statement of the detail dashboard, over all its queryids."""
    grown = f'{function}(pg_stat_statements_{metric}{{queryid=~"$queryid"}}[{window}])'
    chosen = f"{grown} * on (user, queryid) group_left () {names('user', 'queryid', **DETAIL)}"
    return f"sum by ({by}) ({chosen})" if by else f"sum({chosen})"
