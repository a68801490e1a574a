"""Rows of CSV that a spreadsheet shows as they are: no cell of text is taken for a formula."""

import csv
import io
import re
from collections.abc import Iterable

FORMULA = re.compile(r"[=+\-@\t\r]")  # with which what a spreadsheet computes, or what hides that, begins
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def csv_row(cells: Iterable[object]) -> str:
    """One row of CSV, without a line end.

    A text that begins with =, +, -, @, a tab or a carriage return gets an apostrophe before it, as OWASP advises
    ("CSV injection"), unless it is a number: spreadsheets would compute it, and formulas can run programs.
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow([_plain(cell) for cell in cells])  # it quotes what is in these
    return file.getvalue().removesuffix("\r\n")


def _plain(cell):
    risky = isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if risky else cell
