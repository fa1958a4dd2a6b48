"""Error message for an unknown name: the closest known name, and the known names."""

import difflib
from collections.abc import Iterable

# More names are no help to a reader, and cost a model's context.
MAX_NAMES = 40


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    r"""Return the message for an unknown name.

    >>> unknown("service", "rsik", ["proposals", "risk"])
    'There is no service "rsik"; did you mean risk?\nServices: proposals, risk.'
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"; did you mean {close[0]}?" if close else "."
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    listed = ", ".join(names[:MAX_NAMES]) + more
    return f'There is no {kind} "{name}"{guess}\n{kind.capitalize()}s: {listed}.'
