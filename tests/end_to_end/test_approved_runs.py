"""`run --approved`: buys what a person's record covers, once, up to its maximum, and says why not; the bill decides."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.types import Receive, Scope, Send

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig
from tests.end_to_end.approval_rehearsal import DAY, approval_of, approve, bought, record, save
from tests.end_to_end.test_approvals_in_clones import clone, keeping_charges

TWO = """
run: {concurrency: 1}
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: one}
  - {id: two, prompt: two}
"""
FOUR = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, prompt: "take {{ n }}", matrix: {n: [n1, n2, n3, n4]}}
"""
OTHER = f"""
{AIMLAPI_PRICE}
run: {{concurrency: 1}}
defaults: {{provider: aimlapi, model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: one}}
  - {{id: two, prompt: two}}
"""


def test_an_approval_is_carried_out_once(both: Rig) -> None:
    """The receipts name it; a second run finds nothing to buy, and needs no approval for that."""
    both.write(TWO)
    digest = approve(both).out.strip()
    ran = both.kbatch("run", "--approved", "--format", "json")
    assert ran.code == 0, ran.err
    assert "sealed by this user" in ran.err
    assert bought(both) == [4, 4]
    assert {one["purchase"]["approval"] for one in both.lockfile()["renders"].values()} == {digest}
    assert both.kbatch("run", "--approved").code == 0
    assert bought(both) == [4, 4]


def test_a_saved_plan_needs_its_own_approval(rig: Rig) -> None:
    """An approval of another plan of the same jobs does not cover it."""
    rig.write(TWO)
    approve(rig, plan=("--only", "one"))
    save(rig)
    refused = rig.kbatch("run", "--approved", manifest="plan.json")
    assert refused.code == 3
    assert "approval-differs" in refused.err
    approve(rig)
    assert rig.kbatch("run", "--approved", manifest="plan.json").code == 0
    assert bought(rig) == [4, 4]


def _edit(rig: Rig) -> None:
    rig.write(TWO.replace("prompt: two", "prompt: another film"))


def _add(rig: Rig) -> None:
    rig.write(TWO + "  - {id: three, prompt: three}\n")


def _dearer(rig: Rig) -> None:
    rig.write("prices: {apiframe/kling-2.5-turbo-pro: {credits: 5}}\n" + TWO)


def _elsewhere(rig: Rig) -> None:
    rig.monkeypatch.setenv("KBATCH_APIFRAME_URL", "https://elsewhere.example")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(_edit, "`two` is another request than the approved one", id="another-request"),
        pytest.param(_add, "`three` is not in it", id="another-job"),
        pytest.param(_dearer, "`one` costs 5 instead of 4", id="a-higher-price"),
        pytest.param(_elsewhere, "would pay https://elsewhere.example", id="another-host"),
    ],
)
def test_what_differs_is_refused_and_said(rig: Rig, change: Callable[[Rig], None], words: str) -> None:
    """Nothing is sent, and the message names the job and what differs."""
    rig.write(TWO)
    approve(rig)
    change(rig)
    refused = rig.kbatch("run", "--approved")
    assert refused.code == 3
    assert words in refused.err
    assert bought(rig) == []


@pytest.mark.parametrize(
    ("ago", "code"),
    [
        pytest.param(DAY, "approval-expired", id="expired"),
        pytest.param(DAY * 30, "approval-expired", id="long-ago"),
        pytest.param(-timedelta(hours=3), "clock-differs", id="clock-hours-behind"),
        pytest.param(DAY - timedelta(minutes=1), "", id="in-its-last-minute"),
        pytest.param(-timedelta(minutes=4), "", id="clock-minutes-behind"),
    ],
)
def test_an_approval_holds_by_the_clock_of_the_run(rig: Rig, ago: timedelta, code: str) -> None:
    """From its expiry on it covers nothing; a record from the future shows that a clock is wrong."""
    rig.write(TWO)
    save(rig)
    record(rig, approval_of(rig, ago=ago))
    said = rig.kbatch("run", "--approved")
    assert said.code == (3 if code else 0)
    assert code in said.err
    assert bought(rig) == ([] if code else [4, 4])


def test_the_newest_valid_approval_counts(rig: Rig) -> None:
    """A newer one that expired or is of another plan does not hide an older one that covers the plan."""
    rig.write(TWO)
    save(rig)
    record(rig, approval_of(rig, ago=timedelta(hours=2)))
    save(rig, "--only", "one")
    record(rig, approval_of(rig, ago=timedelta(hours=1)))
    assert rig.kbatch("run", "--approved").code == 0
    assert bought(rig) == [4, 4]


def test_without_an_approval_nothing_is_bought(rig: Rig) -> None:
    """The message says how one is made."""
    rig.write(TWO)
    refused = rig.kbatch("run", "--approved")
    assert refused.code == 3
    assert "not-approved" in refused.err
    assert "kbatch approve" in refused.err
    assert bought(rig) == []


@pytest.mark.parametrize("other", ["--yes", "--approve=sha256:0"])
def test_one_consent_at_a_time(rig: Rig, other: str) -> None:
    """`--approved` beside another consent would leave open which of both holds."""
    rig.write(TWO)
    assert rig.kbatch("run", "--approved", other).code == 2


def test_a_used_approval_covers_no_second_purchase(rig: Rig) -> None:
    """`--replace` and a job that failed under it need a new one."""
    rig.write(TWO)
    approve(rig)
    assert rig.kbatch("run", "--approved").code == 0
    refused = rig.kbatch("run", "--approved", "--replace", "one")
    assert refused.code == 3
    assert "approval-used" in refused.err
    assert bought(rig) == [4, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_second_try_of_a_failure_is_a_second_purchase(both: Rig) -> None:
    """Interrupted after a failure that stays charged: the rest goes on within the maximum, the failed job does not."""
    both.open({"fault": "fail", "match": "one"})
    inner = both.stage.app
    keeping_charges(both, stops=True)
    both.write(TWO)
    approve(both)
    assert both.kbatch("run", "--approved").code == 130
    both.stage.app = inner
    both.faults()
    clone(both, "clone")
    said = both.kbatch("run", "--approved")
    assert said.code == 1, said.err
    assert sorted(bought(both)) == [4, 4]
    assert both.states() == {"one": "failed", "two": "done"}


def test_a_maximum_below_the_rest_is_refused(rig: Rig) -> None:
    """A record for less than the plan costs covers nothing of it, though it names its digest."""
    rig.write(TWO)
    save(rig)
    record(rig, approval_of(rig, maximum={"apiframe": 7}))
    refused = rig.kbatch("run", "--approved")
    assert refused.code == 3
    assert "7 are left, and the plan's maximum is 8" in refused.err
    assert bought(rig) == []


def test_a_part_leaves_the_rest_covered(both: Rig) -> None:
    """A canary under the approval of the whole: the same approval buys the rest, in a clone too, and no more."""
    both.write(TWO)
    approve(both)
    assert both.kbatch("run", "--approved", "--only", "one").code == 0
    assert bought(both) == [4]
    clone(both, "clone")
    assert both.kbatch("run", "--approved").code == 0
    assert bought(both) == [4, 4]
    (claim,) = both.lockfile()["claims"].values()
    assert (claim["state"], claim["spent"]) == ("finished", {"apiframe": 8})


@pytest.mark.parametrize(("body", "price"), [(TWO, 4), (OTHER, 1_312_500)], ids=["apiframe", "aimlapi"])
@pytest.mark.parametrize("how", ["approved", "digest"])
def test_what_was_bought_otherwise_leaves_the_rest(either: Rig, body: str, price: int, how: str) -> None:
    """A colleague bought one of the approved jobs with `--yes`: the record still says what the digest covers."""
    either.write(body)
    digest = approve(either).out.strip()
    assert either.run("--only", "one").code == 0
    clone(either, "clone")
    said = either.kbatch("run", *(("--approved",) if how == "approved" else ("--approve", digest)))
    assert said.code == 0, said.err
    assert bought(either) == [price, price]


def stopping_at_polls(rig: Rig) -> None:
    """Send SIGTERM to this process once all four jobs are bought and one is polled."""
    app = rig.stage.app
    assert app is not None

    sent = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if len(rig.charges()) == 4 and scope["method"] == "GET" and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGTERM)

    rig.stage.app = inner


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
@pytest.mark.parametrize("first", ["approved", "yes"])
@pytest.mark.parametrize("then", ["approved", "digest", "expired"])
def test_a_fresh_clone_collects_what_sigterm_left(either: Rig, first: str, then: str) -> None:
    """Four polls at 0 credits are all that is left: whatever they were bought under, nothing needs consent."""
    either.open(latency_s=0.4)
    app = either.stage.app
    stopping_at_polls(either)
    either.write(FOUR)
    save(either)
    record(either, approval_of(either, ago=DAY * 2 if then == "expired" else timedelta()))
    digest = json.loads((either.folder / "plan.json").read_text(encoding="utf-8"))["digest"]
    consent = ("--approved",) if first == "approved" and then != "expired" else ("--yes",)
    assert either.kbatch("run", *consent).code == 130
    either.stage.app = app
    clone(either, "clone")
    assert set(either.states().values()) <= {"submitted", "rendered"}
    again = ("--approve", digest) if then == "digest" else ("--approved",)
    said = either.kbatch("run", *again)
    assert said.code == 0, said.err
    assert set(either.states().values()) == {"done"}
    assert bought(either) == [4, 4, 4, 4]


def test_two_clones_with_one_approval_get_the_same_jobs(rig: Rig) -> None:
    """Neither knows of the other: at Apiframe fingerprint and attempt are the key, and it is one purchase each."""
    rig.write(TWO)
    approve(rig)
    shutil.copytree(rig.folder, rig.root / "second")
    assert rig.kbatch("run", "--approved").code == 0
    rig.folder = rig.root / "second"
    assert rig.kbatch("run", "--approved").code == 0
    assert bought(rig) == [4, 4]


def test_a_clone_without_the_lockfile_gets_the_same_jobs(rig: Rig) -> None:
    """Its claim and receipts are gone: within the day of an approval Apiframe's key makes it the same purchase."""
    rig.write(TWO)
    approve(rig)
    assert rig.kbatch("run", "--approved").code == 0
    clone(rig, "clone")
    (rig.folder / "campaign.lock.json").unlink()
    assert rig.kbatch("run", "--approved").code == 0
    assert bought(rig) == [4, 4]
