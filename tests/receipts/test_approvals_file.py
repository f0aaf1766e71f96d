"""The file of approvals: read strictly, written the same for the same records, merged as a union."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from approval_samples import sample_approval, sample_plan
from hypothesis import given
from hypothesis import strategies as st

from kbatch.errors import StateUnreadable
from kbatch.receipts.approvals.approval import Approval, Person
from kbatch.receipts.approvals.approvals_file import merge, parse, serialize

NOTES = st.text(st.characters(exclude_categories=()), max_size=5).map(
    lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
)
TIMES = st.integers(0, 9).map(lambda second: f"2026-11-30T10:00:0{second}Z")
RECORDS = st.builds(lambda note, at: sample_approval(note=note, at=at), NOTES, TIMES)
FILES = st.lists(RECORDS, max_size=3).map(lambda found: {one.id: one for one in found})


@given(FILES, FILES, FILES)
def test_a_merge_is_a_union(one: Any, other: Any, third: Any) -> None:
    """It is commutative, associative and idempotent to the byte, and loses no record."""
    assert serialize(merge(one, other)) == serialize(merge(other, one))
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(one, one) == one
    assert merge(one, other).keys() == one.keys() | other.keys()


@given(FILES)
def test_what_is_written_is_read_again(records: dict[str, Approval]) -> None:
    """A note may hold any letter, half a pair of surrogates too."""
    assert parse(serialize(records), "x") == records


def altered(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """Return the bytes of a file of one approval whose JSON was changed by hand."""
    approval = sample_approval(seal="ab" * 32)
    document = json.loads(serialize({approval.id: approval}))
    (record,) = document["approvals"].values()
    change(record)
    return json.dumps(document, indent=2).encode()


def with_new_id(record: dict[str, Any]) -> bytes:
    """Return the bytes of a file whose record stands under the hash of its own content."""
    approval = sample_approval(sample_plan(), **record)
    return serialize({approval.id: approval})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(
            altered(lambda one: one.update(expires_at="2036-12-01T10:00:00Z")), "was changed", id="later-expiry"
        ),
        pytest.param(altered(lambda one: one["maximum"].update(apiframe=900)), "was changed", id="higher-maximum"),
        pytest.param(altered(lambda one: one["by"].update(name="Eve")), "was changed", id="another-approver"),
        pytest.param(altered(lambda one: one.pop("seal")), "was changed", id="seal-cut-off"),
        pytest.param(with_new_id({"digest": "sha256:" + "1" * 64}), "another digest", id="digest-of-another-plan"),
        pytest.param(altered(lambda one: one["maximum"].update(apiframe=3.0)), "whole number", id="float"),
        pytest.param(altered(lambda one: one["maximum"].update(apiframe=-1)), "whole number", id="negative"),
        pytest.param(altered(lambda one: one.update(expires_at="never")), "time in UTC", id="no-expiry"),
        pytest.param(altered(lambda one: one.pop("expires_at")), "lacks the field `expires_at`", id="expiry-cut-off"),
        pytest.param(altered(lambda one: one.update(spend="all")), "unknown field", id="unknown-field"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"<<<<<<< ours\n", "unfinished merge", id="markers"),
        pytest.param(b'{"approvals_version": 2, "approvals": {}}', "upgrade|reads 1", id="newer"),
        pytest.param(b'{"approvals_version": 1, "approvals": {}, "approvals": {}}', "twice", id="duplicate"),
        pytest.param(b'{"approvals_version": 1, "approvals": {"x": {}}}', "", id="no-hash"),
    ],
)
def test_a_file_that_was_altered_is_refused_with_its_line(data: bytes, said: str) -> None:
    """It is never read as fewer approvals, or as another one."""
    with pytest.raises(StateUnreadable, match=rf"a\.json:\d+: .*({said})"):
        parse(data, "a.json")


def test_the_line_is_that_of_the_fault() -> None:
    """The message leads to the value in the file."""
    with pytest.raises(StateUnreadable) as refused:
        parse(altered(lambda one: one["maximum"].update(apiframe="all")), "a.json")
    line = int(refused.value.message.split(":")[1])
    data = altered(lambda one: one["maximum"].update(apiframe="all")).decode()
    assert '"all"' in data.splitlines()[line - 1]


def test_a_statement_is_of_all_but_the_proofs() -> None:
    """Seal and signature are over the same bytes, in whatever order they are made; every other field changes them."""
    plain = sample_approval()
    assert sample_approval(seal="ab" * 32, signature="x").statement == plain.statement
    changed = (
        sample_approval(note="other"),
        sample_approval(by=Person(name="Eve")),
        sample_approval(at="2026-11-30T10:00:01Z"),
        sample_approval(maximum={"apiframe": 31}),
        sample_approval(sample_plan(made_at=None)),
    )
    assert plain.statement not in [one.statement for one in changed]
