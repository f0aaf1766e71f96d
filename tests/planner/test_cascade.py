"""Replacing with what follows: which jobs `--cascade` adds, what it says of them, and what it leaves blocked."""

import pytest
from msgspec.structs import replace

from kbatch.planner.actions import Action, ActionOptions
from kbatch.planner.selection import Selection, choose, with_downstream
from kbatch.receipts.receipt import ReceiptState
from tests.planner.conftest import Campaign, entries_of, receipt_of

TREE = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: leaf, prompt: d, params: {start_image: "{{ last_frame('twig') }}", end_image: "{{ first_frame('other') }}"}}
  - {id: root, prompt: a}
  - {id: twig, prompt: b, params: {start_image: "{{ last_frame('root') }}"}}
  - {id: other, prompt: c}
"""


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        pytest.param({"root"}, {"root", "twig", "leaf"}, id="through-others"),
        pytest.param({"twig"}, {"twig", "leaf"}, id="not-upwards"),
        pytest.param({"other"}, {"other", "leaf"}, id="by-another-parameter"),
        pytest.param({"leaf"}, {"leaf"}, id="the-end"),
        pytest.param(set(), set(), id="nothing"),
    ],
)
def test_what_needs_a_frame_follows(campaign: Campaign, named: set[str], wanted: set[str]) -> None:
    """Downstream only, directly or through others, wherever it stands in the manifest."""
    assert with_downstream(frozenset(named), campaign(TREE).jobs) == wanted


def test_a_preview_chooses_without_the_upstream(campaign: Campaign) -> None:
    """What a plan needs besides is not what was named."""
    chosen, problems = choose(campaign(TREE).jobs, Selection(only=("leaf",)))
    assert (chosen, problems) == ({"leaf"}, ())


def test_replaced_and_cascaded_say_why(campaign: Campaign) -> None:
    """Each at its quote; what is not replaced says that it will be stale, and one link further nothing changes."""
    loaded = campaign(TREE)
    renders = {job.fingerprint: receipt_of(job) for job in loaded.jobs}
    both = ActionOptions(replace=frozenset({"root", "twig"}), cascade=frozenset({"twig"}))
    entries = {entry.address: entry for entry in entries_of(loaded, renders, both)}
    assert {name: entry.action for name, entry in entries.items()} == {
        "leaf": Action.REUSE, "root": Action.RENDER, "twig": Action.RENDER, "other": Action.REUSE,
    }  # fmt: skip
    assert entries["root"].reason == "bought again on purpose (--replace)"
    assert entries["twig"].reason == "bought again with its upstream (--cascade)"
    assert "stale after this run" in entries["leaf"].reason
    assert "stale" not in entries["other"].reason
    assert [entry.replaces for entry in entries.values()] == [False, True, True, False]


@pytest.mark.parametrize(
    ("upstream", "accepted", "action"),
    [
        pytest.param(ReceiptState.UNKNOWN, False, Action.BLOCKED, id="unknown"),
        pytest.param(ReceiptState.DELIVERED_WRONG, False, Action.BLOCKED, id="delivered-wrong"),
        pytest.param(ReceiptState.DELIVERED_WRONG, True, Action.RENDER, id="accepted-as-it-is"),
        pytest.param(ReceiptState.DONE, False, Action.RENDER, id="done"),
    ],
)
def test_what_would_be_bought_again_from_no_frame_is_blocked(
    campaign: Campaign, upstream: ReceiptState, accepted: bool, action: Action
) -> None:
    """As for a first purchase: no credits for a clip whose upstream gives no frame; a paid one that stays is reused."""
    loaded = campaign(TREE)
    jobs = {job.address: job for job in loaded.jobs}
    renders = {job.fingerprint: receipt_of(job) for job in loaded.jobs}
    root = receipt_of(jobs["root"], upstream)
    renders[jobs["root"].fingerprint] = replace(root, accepted_as_is=accepted)
    options = ActionOptions(replace=frozenset({"twig"}))
    entries = {entry.address: entry for entry in entries_of(loaded, renders, options)}
    assert entries["twig"].action is action
    assert entries["twig"].credits == (4 if action is Action.RENDER else 0)
    kept = {entry.address: entry for entry in entries_of(loaded, renders)}
    assert kept["twig"].action is Action.REUSE
