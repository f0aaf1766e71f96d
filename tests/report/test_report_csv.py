"""The CSV report: one line a row, columns that add up, and no cell that a spreadsheet would run."""

import csv
import io

import pytest
from report_samples import HOSTILE, OTHERS, ROWS, golden, hostile_rows, row

from kbatch.report.machine import csv_table


def read(text: str) -> list[dict[str, str]]:
    """Return the lines of a CSV text by column."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_is_as_agreed() -> None:
    """The whole table of a campaign in every state, byte by byte."""
    text = csv_table.render((*ROWS, *OTHERS))
    assert text == golden("report.csv", text)


def test_lines_end_as_the_rfc_says() -> None:
    """Records end in CRLF (RFC 4180), the last one too, and no line break stands outside quotes."""
    text = csv_table.render(ROWS)
    assert text.count("\r\n") == len(ROWS) + 1
    assert text.endswith("\r\n")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_formula_is_never_a_cell(text: str) -> None:
    """Whatever a prompt, label, error or name holds, no cell begins as a formula does."""
    for line in read(csv_table.render(hostile_rows())):
        for cell in line.values():
            assert cell.lstrip()[:1] not in ("=", "+", "-", "@", "\t", "\r"), cell
    (line,) = read(csv_table.render((row(prompt=text),)))
    begins = text.lstrip()[:1] in "=+-@"
    assert line["prompt"].startswith("'") == begins


def test_the_columns_of_credits_add_up() -> None:
    """A shared request counts once, and an unknown amount is empty, not 0."""
    lines = read(csv_table.render(ROWS))
    assert sum(int(line["spent_credits"] or 0) for line in lines) == 15 * 5 + 30
    assert next(line["planned_credits"] for line in lines if line["address"] == "later") == ""
    assert next(line["spent_credits"] for line in lines if line["address"] == "twin") == "0"


def test_a_number_stays_a_number() -> None:
    """Amounts have neither quotes nor apostrophes nor separators."""
    assert ",12345,12345,12345," in csv_table.render((row(planned=12345, reported=12345, spent=12345),))
