"""A comparison as one HTML file without scripts, which can be sent by e-mail."""

from jinja2 import Environment, PackageLoader, select_autoescape

from lab.compare.answers import CLOSE_PERCENT, Comparison, number
from lab.foundation import clock


def html(found: Comparison, machine: str) -> str:
    """Return the report; `machine` is a short description of the machine."""
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
