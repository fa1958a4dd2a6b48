"""A number with its noun in the singular or the plural."""


def plural(number: float, noun: str) -> str:
    """Write a number with its noun, whose plural ends in -s.

    >>> plural(1, "request"), plural(0, "request"), plural(1234.4, "row")
    ('1 request', '0 requests', '1,234 rows')
    """
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"
