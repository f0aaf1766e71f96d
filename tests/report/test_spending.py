"""What was spent: each purchase once, the parts sum to the whole, and every form says the same."""

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from report_samples import HOSTILE, parts
from spend_samples import SOLSTICE, SPRING, bought, failed, refused, unknown

from kbatch.errors import Invalid
from kbatch.planner.budgets.purchases import PaidPurchase, purchases_of
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.merge import merge
from kbatch.receipts.receipt import Credits, Purchase, Receipt
from kbatch.report.spend import spend_html, tables
from kbatch.report.spend.spending import KEYS, Spending, as_json, between, group, read_keys
from tests.receipts.receipt_samples import lockfiles

EVERY_KEY = [key.replace("NAME", "market") for key in KEYS]
FIGURES = ("jobs", "planned", "charged", "refunded", "unexplained", "held", "unreported")


def spending_of(*states: dict[str, Receipt], by: Sequence[str] = ("month",), **changes: object) -> Spending:
    """Return what these lockfiles spent, in this manner."""
    rows, totals = group(purchases_of(states), by)
    made = Spending(
        by=tuple(by), rows=rows, totals=totals, units=dict.fromkeys(totals, "credits"), usd={}, files=len(states)
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        pytest.param(bought(), (15, 15, 0, 0, 0), id="reported"),
        pytest.param(bought(credits=Credits(planned=15)), (15, 15, 0, 0, 0), id="unreported-counts-its-quote"),
        pytest.param(bought(credits=Credits(planned=15, reported=30)), (15, 30, 0, 15, 0), id="charged-double"),
        pytest.param(bought(credits=Credits(planned=15, reported=0)), (15, 0, 0, -15, 0), id="charged-nothing"),
        pytest.param(bought(credits=Credits()), (None, None, 0, 0, 0), id="unpriced-and-unreported-is-unknown"),
        pytest.param(bought(credits=Credits(reported=9)), (None, 9, 0, 0, 0), id="unpriced"),
        pytest.param(failed("x", 15, 15, 0), (15, 15, 15, 0, 0), id="refunded"),
        pytest.param(failed("x", 15, 15, 5), (15, 15, 10, 5, 0), id="refunded-in-part"),
        pytest.param(failed("x", 15, None, 20), (15, 20, 0, 20, 0), id="failed-and-kept-more"),
        pytest.param(failed("x", 15, None, None), (15, 15, 15, 0, 0), id="failed-without-a-word-as-settled"),
        pytest.param(unknown("x", 15), (0, 0, 0, 0, 15), id="unknown-holds-its-quote"),
        pytest.param(unknown("x", None), (0, 0, 0, 0, None), id="unknown-holds-an-unknown"),
    ],
)
def test_what_a_purchase_cost(receipt: Receipt, expected: tuple[int | None, ...]) -> None:
    """Planned, charged before refunds, refunded, unexplained, held: an unknown amount is None, never 0."""
    (one,) = purchases_of([{"fp": receipt}])
    assert (one.planned, one.charged, one.refunded, one.unexplained, one.held) == expected


def test_a_refused_send_is_no_purchase() -> None:
    """It was not accepted and cost nothing."""
    assert purchases_of([{"fp": refused("x")}]) == ()


@pytest.mark.parametrize(
    ("other", "count"),
    [
        pytest.param(SOLSTICE, 7, id="a-copy"),
        pytest.param(SPRING, 10, id="another-campaign-with-a-shared-receipt"),
        pytest.param({"0" * 64: SOLSTICE["a" * 64]}, 7, id="the-same-job-under-another-fingerprint"),
        pytest.param({"a" * 64: bought(job_id="again")}, 8, id="a-second-purchase-of-one-request"),
        pytest.param({"a" * 64: bought(origin="loopback")}, 8, id="another-origin"),
        pytest.param({"d" * 64: bought("plain", job_id="found")}, 7, id="an-unknown-that-another-clone-resolved"),
    ],
)
def test_a_shared_purchase_counts_once(other: dict[str, Receipt], count: int) -> None:
    """By provider, origin and job id, else by attempt, in any order of lockfiles."""
    assert len(purchases_of([SOLSTICE, other])) == count
    assert purchases_of([SOLSTICE, other]) == purchases_of([other, SOLSTICE, other])


def test_two_sends_with_names_of_their_own_hold_both() -> None:
    """Where a provider knows no key of a purchase, each send may be charged."""
    one, other = (unknown("x", 15, client_request_id=name) for name in ("first", "second"))
    assert sum(each.held or 0 for each in purchases_of([{"fp": one}, {"fp": other}])) == 30


@given(lockfiles, lockfiles)
def test_two_lockfiles_cost_what_their_merge_costs(one: Lockfile, other: Lockfile) -> None:
    """Counting clones apart or merged by git comes to the same."""
    other = replace(other, manifest=one.manifest)
    assert purchases_of([one.renders, other.renders]) == purchases_of([merge(one, other).renders])


@given(st.lists(lockfiles, max_size=3), st.lists(st.sampled_from(EVERY_KEY), max_size=3, unique=True))
def test_the_parts_sum_to_the_whole(states: list[Lockfile], by: list[str]) -> None:
    """For any keys, the rows of a provider sum to its total, figure by figure, unknown terms too."""
    purchases = purchases_of(each.renders for each in states)
    rows, totals = group(purchases, by)
    for provider, total in totals.items():
        mine = [row.sums for row in rows if row.provider == provider]
        for name in FIGURES:
            figures = [getattr(each, name) for each in (*mine, total)]
            plain = [each if isinstance(each, int) else (each.known, each.unknown) for each in figures]
            whole = plain.pop()
            assert (sum(plain) if isinstance(whole, int) else tuple(map(sum, zip(*plain, strict=True)))) == whole
    assert sum(total.jobs for total in totals.values()) == len(purchases)


@given(st.lists(lockfiles, max_size=2), st.lists(st.dates(), min_size=2, max_size=2, unique=True).map(sorted))
def test_days_divide_what_was_spent(states: list[Lockfile], days: list[object]) -> None:
    """What is before a day, between two and from the second on is all that has a date, each once."""
    purchases = purchases_of(each.renders for each in states)
    first, second = map(str, days)
    found = [between(purchases, *bounds) for bounds in ((None, first), (first, second), (second, None))]
    assert sorted(one.at or "" for part, _ in found for one in part) == sorted(one.at for one in purchases if one.at)
    assert {undated for _, undated in found} == {sum(one.at is None for one in purchases)}


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        pytest.param(("2026-11-01", "2026-12-01"), ["job-hero[city=oslo]", "old", "job-hero[city=rome]"], id="a-month"),
        pytest.param(("2026-10-31", "2026-11-01"), ["job-wide"], id="its-last-millisecond"),
        pytest.param(("2026-12-01", None), [None], id="the-first-second-of-the-next"),
        pytest.param((None, "2026-10-01"), ["job-wide-0"], id="before-a-first-second"),
    ],
)
def test_bounds_are_half_open(bounds: tuple[str | None, str | None], expected: list[str | None]) -> None:
    """A day's first moment in UTC is in it, and the next day's is not."""
    found, _ = between(purchases_of([SOLSTICE]), *bounds)
    assert [one.job_id for one in found] == expected


def test_what_has_no_value_is_a_row_of_its_own() -> None:
    """A purchase without the label, and one of an older receipt, stand under null."""
    rows = as_json(spending_of(SOLSTICE, by=["label:market"]))["rows"]
    assert {row["by"]["label:market"]: (row["charged"], row["held"]) for row in rows} == {
        "eu": (30, 0), "us": (60, 0), None: (7, 25),
    }  # fmt: skip


def test_an_unknown_sum_is_null_beside_its_known_part() -> None:
    """A charge that no one knows makes the total unknown, and says how much is known."""
    total = as_json(spending_of(SPRING))["totals"]["aimlapi"]
    assert (total["charged"], total["held"]) == (None, None)
    assert total["unknown"] == {"planned": 2, "charged": 1, "held": 1}
    assert total["known"] == {"planned": 0, "charged": 1_312_500, "held": 0}


def test_usd_stands_only_where_a_rate_is_given() -> None:
    """Exact decimals after refunds; without a rate there is no such field."""
    rate = Decimal("0.0000005")
    totals = as_json(spending_of(SOLSTICE, SPRING, usd={"apiframe": rate}))["totals"]
    assert totals["apiframe"]["usd"] == f"{rate * (97 - 25):f}"
    assert "usd" not in totals["aimlapi"]
    known = {"1" * 64: SPRING["1" * 64]}
    assert as_json(spending_of(known, usd={"aimlapi": rate}))["totals"]["aimlapi"]["usd"] == "0.6562500"
    assert as_json(spending_of(SPRING, usd={"aimlapi": rate}))["totals"]["aimlapi"]["usd"] is None


@pytest.mark.parametrize("words", ["mnth", "label", "label:", "", "month,,model", "axis"])
def test_a_key_that_is_none_is_refused(words: str) -> None:
    """Each is named."""
    with pytest.raises(Invalid):
        read_keys([words])


def test_keys_add_up() -> None:
    """Flags may be repeated, and a key counts once."""
    assert read_keys(["month,label:market", "actor,month"]) == ("month", "label:market", "actor")


class Cells(HTMLParser):
    """The cells of the table of rows, and the figures at the top of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.figures: dict[str, str] = {}
        self._table = self._cell = False
        self._in = self._name = ""
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Open a row, a cell or a figure."""
        self._table = self._table or (tag == "table" and ("class", "list") in attributes)
        self.scripts += tag in ("script", "img")
        if self._table and tag == "tr":
            self.rows.append([])
        if self._table and tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True
        if tag in ("dt", "dd"):
            self._in = tag

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened."""
        self._table = self._table and tag != "table"
        self._cell = self._cell and tag not in ("td", "th")
        self._in = "" if tag in ("dt", "dd") else self._in

    def handle_data(self, data: str) -> None:
        """Take what a cell holds."""
        if self._cell:
            self.rows[-1][-1] += data
        if self._in == "dt":
            self._name = data
        if self._in == "dd":
            self.figures[self._name] = self.figures.get(self._name, "") + data


def numbers_of(purchases: Sequence[PaidPurchase]) -> list[str]:
    """Return the figures of a row, added here."""
    assert all(None not in (one.planned, one.charged, one.held) for one in purchases)
    names = ("planned", "charged", "refunded", "unexplained", "held")
    return [f"{len(purchases):,}", *(f"{sum(getattr(one, name) for one in purchases):,}" for name in names)]


@pytest.mark.parametrize("key", EVERY_KEY)
def test_every_number_of_the_page_is_that_of_the_lockfiles(key: str) -> None:
    """The page's rows, figures and bars are added again from the receipts."""
    page = spend_html.as_html(spending_of(SOLSTICE, by=[key]), "2026-12-01", parts())
    cells = Cells(page)
    purchases = purchases_of([SOLSTICE])
    head, *rows = cells.rows
    assert head == [key, "provider", *tables.COLUMNS]
    for value, provider, *figures in rows:
        wanted = None if value == tables.NONE else value
        mine = [one for one in purchases if group([one], [key])[0][0].values == (wanted,)]
        assert (provider, figures) == ("apiframe", numbers_of(mine))
        assert f'<td class="number">{sum(one.charged or 0 for one in mine):,}</td>' in page
    assert cells.figures == {
        "apiframe credits charged": "97", "jobs": "7", "planned": "82", "refunded": "25", "unexplained": "20",
        "held by unknowns": "25",
    }  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_text_in_every_form(text: str) -> None:
    """A label, an actor and a model that want to be markup, a formula or a command are none."""
    memory = Purchase(address=text, labels={"market": text}, campaign=text, run="r", actor=text)
    found = spending_of({"fp": bought(purchase=memory, model=text)}, by=["label:market", "actor", "model", "shot"])
    page = Cells(spend_html.as_html(found, "2026-12-01", parts()))
    assert page.scripts == 1
    assert page.rows[1][-1] == "0"
    for cell in next(iter(list(csv.reader(io.StringIO(tables.as_csv(found))))[1:])):
        assert cell[:1] not in tuple("=+-@\t\r")
    markdown = tables.as_markdown(found, 65_536)
    assert len([line for line in markdown.splitlines() if line.startswith("| ")]) == 6
    shown = "\n".join(words for line in tables.lines(found, 200) for words, _ in line)
    assert "::error" not in shown
    assert "\x1b" not in shown


def test_the_markdown_fits_and_keeps_its_totals() -> None:
    """A page of thousands of rows is cut by rows, never by the totals."""
    many = {f"{index:064x}": bought(f"hero{index}", job_id=f"j{index}") for index in range(2_000)}
    text = tables.as_markdown(spending_of(many, by=["shot"]), 65_536)
    assert len(text.encode()) <= 65_536
    assert "| `apiframe` | `credits` | 2,000 | 30,000 | 30,000 | 0 | 0 | 0 |" in text
    assert "more rows" in text


@pytest.mark.parametrize("width", [50, 80, 200])
def test_a_table_fits_its_terminal(width: int) -> None:
    """Long values are cut before a figure is; the figures are always whole."""
    found = spending_of(SOLSTICE, by=["month", "label:market"] if width > 50 else ["month"])
    shown = ["".join(words for words, _ in line) for line in tables.lines(found, width)][2:-1]
    assert width == 50 or max(map(len, shown)) <= width
    assert shown[-1].split()[-5:] == ["82", "97", "25", "20", "25"]


def test_csv_adds_up_and_has_no_totals() -> None:
    """The column of charges is the sum of all rows; an unknown sum is an empty cell."""
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(spending_of(SOLSTICE, SPRING, by=["month", "shot"])))))
    assert sum(int(row["charged"]) for row in rows if row["provider"] == "apiframe") == 97
    assert [row["charged"] for row in rows if row["shot"].startswith("'=cmd")] == [""]


def test_json_is_plain() -> None:
    """It has no decimals and no other type that JSON lacks."""
    assert json.loads(json.dumps(as_json(spending_of(SOLSTICE, SPRING, usd={"apiframe": Decimal("0.01")}))))
