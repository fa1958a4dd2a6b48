"""Error message for an unknown name: the closest known name, and the known names."""

import difflib
from collections.abc import Iterable

# More names are no help to a reader, and cost a model's context.
MAX_NAMES = 40


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    r"""Return the message for an unknown name.

    >>> unknown("service", "rsik", ["proposals", "risk"])
    'There is no service "rsik"; did you mean risk?\nServices: proposals, risk.'
    >>> unknown("service", "credit-x", ["credit-customers", "credit-risk"]).splitlines()[0]
    'There is no service "credit-x".'
    """
    names = list(known)
    # A prefix that all names share, as "credit-", makes each name similar to every other one.
    prefix = name[: name.find("-") + 1]
    if not all(each.startswith(prefix) for each in names):
        prefix = ""
    close = difflib.get_close_matches(
        name.removeprefix(prefix), [each.removeprefix(prefix) for each in names], n=1
    )
    guess = f"; did you mean {prefix}{close[0]}?" if close else "."
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    listed = ", ".join(names[:MAX_NAMES]) + more
    return f'There is no {kind} "{name}"{guess}\n{kind.capitalize()}s: {listed}.'
