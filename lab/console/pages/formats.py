"""Formats of figures on all pages: with unit, and with the significant digits."""

import re
from math import isfinite

from markupsafe import Markup, escape

from lab.foundation.timestamps import NS_PER_MS, NS_PER_S, NS_PER_US

S_PER_MINUTE, S_PER_HOUR, S_PER_DAY = 60, 3600, 86_400
NOTHING = "\u2013"
# A narrow space that does not break: a figure and its unit stay on one line.
GAP = "\u202f"
THOUSAND, MILLION = 1_000.0, 1_000_000.0
NEARLY_ALL = 0.9995
BACKTICKS = re.compile(r"`([^`]{1,400})`")
CONSOLE_PATH = re.compile(
    r"(?<![\w/.&])/(?:alerts|compare|drills|exam|exercises|map|prometheus|queries|sessions|traces)\b(?:\?expr=\w+)?"
)
BYTES = ("B", "kB", "MB", "GB", "TB")


def duration(ns: float | None) -> str:
    r"""Write a duration given in nanoseconds.

    >>> duration(1_234_567_890), duration(45_600_000), duration(320_000)
    ('1.23\u202fs', '45.6\u202fms', '320\u202fµs')
    """
    if ns is None:
        return NOTHING
    if ns == 0:
        return f"0{GAP}ms"
    if ns >= S_PER_MINUTE * NS_PER_S:
        minutes, seconds = divmod(round(ns / NS_PER_S), S_PER_MINUTE)
        return f"{minutes:,}{GAP}min {seconds}{GAP}s"
    for size, unit in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "µs")):
        if ns >= size:
            return f"{_digits(ns / size)}{GAP}{unit}"
    return f"{ns:.0f}{GAP}ns"


def milliseconds(ms: float | None) -> str:
    """Write a duration given in milliseconds."""
    return duration(None if ms is None else ms * NS_PER_MS)


def signed_milliseconds(ms: float | None) -> str:
    r"""Write a difference of durations given in milliseconds.

    >>> signed_milliseconds(-0.25), signed_milliseconds(0.0)
    ('-250\u202fµs', '0\u202fms')
    """
    if ms is None:
        return NOTHING
    return f"{'-' if ms < 0 else '+' if ms > 0 else ''}{milliseconds(abs(ms))}"


def seconds(s: float | None) -> str:
    """Write a duration given in seconds."""
    return duration(None if s is None else s * NS_PER_S)


def whole_seconds(s: float) -> str:
    r"""Write a duration that is a setting, without the digits of a measurement.

    >>> whole_seconds(45.0), whole_seconds(60.0), whole_seconds(75.0)
    ('45\u202fs', '1\u202fmin', '1\u202fmin 15\u202fs')
    """
    minutes, rest = divmod(round(s), S_PER_MINUTE)
    parts = [f"{minutes}{GAP}min"] if minutes else []
    parts += [f"{rest}{GAP}s"] if rest or not minutes else []
    return " ".join(parts)


def number(value: float | None) -> str:
    """Write a count or a mean.

    >>> number(1234567), number(0.1234), number(12.0)
    ('1,234,567', '0.12', '12')
    """
    if value is None:
        return NOTHING
    if value == int(value):
        return f"{int(value):,}"
    return _digits(value)


def compact(value: float | None) -> str:
    """Write a count in a short form.

    >>> compact(1234567), compact(45678), compact(12)
    ('1.23M', '45.7k', '12')
    """
    if value is None:
        return NOTHING
    if abs(value) >= MILLION:
        return f"{_digits(value / MILLION)}M"
    if abs(value) >= 10 * THOUSAND:
        return f"{_digits(value / THOUSAND)}k"
    return number(value)


def figure(value: float) -> str:
    """Write any value with four significant digits, as of a series without a unit.

    >>> figure(1234567.0), figure(-0.00012345), figure(12.0), figure(float("nan"))
    ('1,234,567', '-0.0001234', '12', 'nan')
    """
    if value == int(value) if isfinite(value) else False:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10 * THOUSAND else f"{value:.4g}"


def per_second(value: float | None) -> str:
    """Write a rate."""
    return NOTHING if value is None else f"{number(value)}{GAP}/s"


def share(value: float | None) -> str:
    r"""Write a ratio of 0 to 1 as a percentage; a value just below 1 is not rounded to 100 %.

    >>> share(0.0), share(0.0004), share(0.256), share(0.9999), share(1.0)
    ('0\u202f%', '0.040\u202f%', '25.6\u202f%', '>99.9\u202f%', '100\u202f%')
    """
    if value is None:
        return NOTHING
    nearly_all = NEARLY_ALL <= value < 1
    return f"{'>99.9' if nearly_all else number(value * 100)}{GAP}%"


def size(value: float | None) -> str:
    r"""Write bytes, by thousands.

    >>> size(5_900_000)
    '5.90\u202fMB'
    """
    if value is None:
        return NOTHING
    for unit in BYTES[:-1]:
        if abs(value) < THOUSAND:
            return f"{number(value)}{GAP}{unit}"
        value /= THOUSAND
    return f"{_digits(value)}{GAP}{BYTES[-1]}"


def age(s: float | None) -> str:
    r"""Write an age given in seconds.

    >>> age(0.4), age(75), age(7300)
    ('now', '75\u202fs ago', '2\u202fh ago')
    """
    if s is None:
        return "never"
    if s < 1:
        return "now"
    for limit, unit, length in (
        (2 * S_PER_MINUTE, "s", 1),
        (2 * S_PER_HOUR, "min", S_PER_MINUTE),
        (2 * S_PER_DAY, "h", S_PER_HOUR),
    ):
        if s < limit:
            return f"{s // length:.0f}{GAP}{unit} ago"
    return f"{s // S_PER_DAY:.0f}{GAP}days ago"


def sentence(text: str) -> str:
    """Capitalize the first letter only.

    >>> sentence("no sample of pg_stat_activity")
    'No sample of pg_stat_activity'
    """
    return text[:1].upper() + text[1:]


def code(text: str) -> Markup:
    """Write a text as HTML: `...` as code, and paths of the console, such as /sessions, as links.

    >>> code("see `psql` & /traces")
    Markup('see <code>psql</code> &amp; <a href="/traces">/traces</a>')
    """
    escaped = str(escape(text))
    marked = BACKTICKS.sub(r"<code>\1</code>", escaped)
    return Markup(CONSOLE_PATH.sub(r'<a href="\g<0>">\g<0></a>', marked))  # noqa: S704 - escaped above


def _digits(value: float) -> str:
    """Write three significant digits, and no exponent."""
    if value == 0:
        return "0"
    for limit, places in ((100, 0), (10, 1), (0.1, 2), (0.01, 3)):
        if abs(value) >= limit:
            return f"{value:,.{places}f}"
    return f"{value:.2g}" if abs(value) >= 0.0001 else "<0.0001"  # noqa: PLR2004
