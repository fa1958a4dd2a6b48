"""A comparison as one HTML file without scripts, which can be sent by e-mail, and as CSV."""

import csv as writers
import io

from lab.compare.answers import CLOSE_PERCENT, Answer
from lab.compare.comparison import EXACT_PERCENT, Comparison
from lab.compare.wording import PARTS, number, parts_text, signed_percent
from lab.foundation import clock
from lab.foundation.templates import render

COLUMNS = ("observer", "extrapolation", "resolution", "delay", "within")
SIDES = ("prometheus", "datadog")
# Beginnings of a cell that a spreadsheet would run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def html(found: Comparison, machine: str) -> str:
    """Return the report; `machine` is a short description of the machine."""
    return render(
        "lab.compare",
        "report.html",
        found=found,
        machine=machine,
        figure=number,
        parts_text=parts_text,
        percent=signed_percent,
        legend=PARTS,
        close=CLOSE_PERCENT,
        exact=EXACT_PERCENT,
        at=f"{clock.now():%Y-%m-%d %H:%M} UTC",
    )


def csv(found: Comparison) -> str:
    """Return the questions as CSV: values, errors in per cent, and the parts in the question's unit."""
    file = io.StringIO()
    table = writers.writer(file)
    columns = ("value", "error_percent", *COLUMNS, "age_s", "resolution_s", "why_not")
    headings = [f"{side}_{column}" for side in SIDES for column in columns]
    table.writerow(["group", "question", "unit", "truth", *headings])
    for row in found.rows:
        cells: list[object] = [row.group.value, row.question, row.unit, row.truth.value]
        for answer in (row.prometheus, row.datadog):
            cells += [answer.value, row.error_percent(answer), *_parts(answer)]
            cells += [answer.age_s, answer.resolution_s, answer.why_not]
        table.writerow([_plain(cell) for cell in cells])
    return file.getvalue()


def _parts(answer: Answer) -> list[object]:
    return [getattr(answer.parts, name) if answer.parts else None for name in COLUMNS]


def _plain(cell: object) -> object:
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
