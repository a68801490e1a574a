import csv

import pytest

from r3d_jax.csv_rows import csv_row


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-", "+-1"])
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text):
    [cells] = csv.reader([csv_row([text, "b"])], strict=True)
    assert cells == [f"'{text}", "b"]


@pytest.mark.parametrize("cell", ["0.5", "-0.25", "+3", "-1e-07", ".5", 3, -2.5, "", "a=b", "'=1", "1-2", None])
def test_numbers_and_other_texts_stay(cell):
    [[found]] = csv.reader([csv_row([cell])] if cell not in ("", None) else ['""'])
    assert found == ("" if cell is None else str(cell))


def test_what_csv_quotes_is_quoted():
    assert csv_row(["a,b", 'say "x"', "=a,b"]) == '"a,b","say ""x""","\'=a,b"'
    assert csv_row(["two\nlines", "b"]) == '"two\nlines",b' and csv_row(["a\rb"]) == '"a\rb"'
