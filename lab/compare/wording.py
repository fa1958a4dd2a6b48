"""Values and errors of a comparison as text, for the terminal and the console."""

from lab.compare.answers import Answer, Compared

# Values from this size on are printed without decimals and without an exponent.
LARGE = 10_000
# Errors in per cent: without decimals from where one decimal would be rounded to 100.0; below this they are
# rounded to 0.0, so the error is written as "<0.1", and such parts are not named.
WHOLE = 99.95
SMALL = 0.05
BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
# The letter of each part, beside an error.
LETTERS = {"observer": "!", "extrapolation": "x", "resolution": "r", "delay": "d"}
LEGEND = (
    "Errors in % of the truth, with their largest part: d delay, r resolution (sampling),"
    " x extrapolation, ! not true at the stack's own moments"
)
PARTS = (
    "The parts of an error add up to it. Observer: not true at the stack's own moments. Extrapolation:"
    " by increase(), or of a rate. Resolution: between two samples. Delay: after the newest point"
)


def number(answer: Answer, row: Compared) -> str:
    """Return a value with its unit.

    >>> from lab.compare.answers import Group
    >>> asked = {"group": Group.LOAD, "question": "", "truth": Answer(), "prometheus": Answer()}
    >>> number(Answer(value=12_345_678.0), Compared(**asked, unit="B", datadog=Answer()))
    '12.35 MB'
    >>> number(Answer(value=0.0316), Compared(**asked, unit="s", datadog=Answer()))
    '31.6 ms'
    """
    value, unit = answer.value, row.unit
    if not isinstance(value, float):
        return value or "cannot answer"
    if unit == "s" and 0 < abs(value) < 1:
        value, unit = value * 1000, "ms"
    if unit == "B":
        value, unit = next(
            (value / size, name) for size, name in BYTES if abs(value) >= size or size == 1
        )
    form = ",.4g" if abs(value) < LARGE else ",.0f"
    return f"{value:{form}} {unit}".strip()


def parts_text(row: Compared, answer: Answer) -> str:
    """Return the parts of an error in percent of the truth, without those that round to 0.

    >>> from lab.compare.answers import Group, Parts
    >>> one = Answer(value=198.0, parts=Parts(delay=-3.0, extrapolation=1.0))
    >>> asked = {"group": Group.LOAD, "question": "", "unit": "", "truth": Answer(value=200.0)}
    >>> parts_text(Compared(**asked, prometheus=one, datadog=one), one)
    'extrapolation +0.5 %, delay -1.5 %'
    """
    parts = row.part_percents(answer).items()
    return ", ".join(f"{name} {value:+.1f} %" for name, value in parts if abs(value) >= SMALL)


def signed_percent(error: float) -> str:
    """Return an error in percent with its sign, without the unit; never "-0.0".

    >>> [signed_percent(error) for error in (0.0, -0.04, 0.05, -99.97)]
    ['0', '<0.1', '+0.1', '-100']
    """
    if error == 0:
        return "0"
    if abs(error) < SMALL:
        return "<0.1"
    return f"{error:+.0f}" if abs(error) >= WHOLE else f"{error:+.1f}"


def error_text(row: Compared, answer: Answer) -> str:
    """Return an error with the letter of its largest part; empty where there is none.

    >>> from lab.compare.answers import Group, Parts
    >>> parts = Parts(delay=-3.0, extrapolation=1.0)
    >>> one = Answer(value=198.0, parts=parts)
    >>> row = Compared(
    ...     group=Group.LOAD, question="", unit="", truth=Answer(value=200.0), prometheus=one, datadog=one
    ... )
    >>> error_text(row, one)
    '-1.0 d'
    """
    error = row.error_percent(answer)
    if error is None:
        return ""
    parts = row.part_percents(answer)
    largest = max(parts, key=lambda name: abs(parts[name]), default=None)
    text = signed_percent(error)
    return f"{text} {LETTERS[largest]}" if largest and abs(parts[largest]) >= SMALL else text
