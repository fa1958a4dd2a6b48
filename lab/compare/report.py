"""A comparison as one HTML file, without script: it can be mailed."""

from jinja2 import Environment, PackageLoader, select_autoescape

from lab.compare.answers import CLOSE_PERCENT, Comparison, number
from lab.foundation import clock


def html(found: Comparison, machine: str) -> str:
    """Return the report; `machine` is where it was measured, in a few words."""
    environment = Environment(
        loader=PackageLoader("lab.compare", "."), autoescape=select_autoescape(), trim_blocks=True
    )
    return environment.get_template("report.html").render(
        found=found,
        machine=machine,
        figure=number,
        close=CLOSE_PERCENT,
        at=f"{clock.now():%Y-%m-%d %H:%M} UTC",
    )
