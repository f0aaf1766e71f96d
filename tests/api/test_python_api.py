"""The Python API is the same pipeline as the commands: load, plan, run with consent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import kbatch
from kbatch.api import Approved, ask_prices
from kbatch.errors import ExitCode, Invalid, Refused
from kbatch.pipeline.approvals.record import ApprovalTerms, make_approval, record_approval
from kbatch.pipeline.saved_plans import read_plan_file, write_plan_file
from kbatch.receipts.approvals.approval import Person
from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings

pytestmark = pytest.mark.anyio

MANIFEST = """
kbatch: 1
name: api
provider: apiframe
defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
shots: [{id: hero, prompt: "{{ city }}", matrix: {city: [Oslo, Rome]}}, {id: end, prompt: end}]
"""
CHAIN = """
kbatch: 1
name: api
provider: apiframe
defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
shots:
  - {id: hero, prompt: begin, labels: {part: first}}
  - {id: end, prompt: end, params: {start_image: "{{ last_frame('hero') }}"}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest of three jobs."""
    path = tmp_path / "api.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


@pytest.fixture
def chain(manifest: Path) -> Path:
    """Return a manifest of two jobs, of which one begins with the last frame of the other."""
    manifest.write_text(CHAIN, encoding="utf-8")
    return manifest


async def test_load_plan_run(manifest: Path) -> None:
    """A campaign is loaded, planned in part, run with the plan's digest, and finds its receipts again."""
    campaign = kbatch.load(manifest, simulate=True)
    proposal = kbatch.plan(campaign, only=["hero"])
    assert proposal.plan.totals["apiframe"].expected == 8
    outcome = await kbatch.run(proposal, consent=proposal.plan.digest)
    assert outcome.exit_code is ExitCode.OK
    assert set(outcome.ends) == {"hero[city=oslo]", "hero[city=rome]"}
    again = kbatch.plan(kbatch.load(manifest, simulate=True))
    assert (again.plan.counts["reuse"], again.plan.counts["render"]) == (2, 1)


async def test_jobs_are_chosen_as_on_the_command_line(chain: Path) -> None:
    """By label, by failure, the first ones, and with --replace what hangs on it."""
    campaign = kbatch.load(chain, simulate=True)
    assert [entry.address for entry in kbatch.plan(campaign, labels={"part": "first"}).plan.entries] == ["hero"]
    assert [entry.address for entry in kbatch.plan(campaign, first=1).plan.purchases] == ["hero"]
    assert kbatch.plan(campaign, failed=True).plan.entries == ()
    everything = kbatch.plan(campaign)
    await kbatch.run(everything, consent=everything.plan.digest)
    bought = kbatch.load(chain, simulate=True)
    assert [entry.address for entry in kbatch.plan(bought, replace=["hero"]).plan.purchases] == ["hero"]
    both = kbatch.plan(bought, replace=["hero"], cascade=True).plan.purchases
    assert [entry.address for entry in both] == ["hero", "end"]


async def test_consent_is_to_exactly_one_plan(manifest: Path) -> None:
    """A digest that is not the plan's is refused, and nothing is written."""
    proposal = kbatch.plan(kbatch.load(manifest, simulate=True))
    with pytest.raises(Refused) as caught:
        await kbatch.run(proposal, consent="sha256:something else")
    assert caught.value.code == "digest-differs"
    assert not proposal.campaign.lockfile.exists()


async def test_ceilings_hold(manifest: Path) -> None:
    """A ceiling below the plan's maximum is refused."""
    proposal = kbatch.plan(kbatch.load(manifest, simulate=True))
    with pytest.raises(Refused) as caught:
        await kbatch.run(proposal, consent=proposal.plan.digest, max_credits=["apiframe=11"])
    assert caught.value.code == "over-ceiling"


def test_what_is_wrong_is_a_value(manifest: Path) -> None:
    """A wrong manifest raises Invalid with problems that have places."""
    manifest.write_text(MANIFEST.replace("prompt: end", "prompt: end, takes: none"), encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        kbatch.load(manifest)
    assert caught.value.problems[0].mark is not None


LIVE = """
kbatch: 1
name: api
provider: aimlapi
shots:
  - id: hero
    model: kling-video/v2.1/pro/image-to-video
    prompt: a
    params: {image_url: "https://a.example/b.png", duration: 10}
"""


@pytest.fixture
def unpriced(manifest: Path) -> Path:
    """Return a manifest of one job whose card has no price."""
    manifest.write_text(LIVE, encoding="utf-8")
    return manifest


async def test_prices_of_public_lists(unpriced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign that asked the lists has their price and is run at it."""
    with serving(SimulatorSettings(latency_s=0.02, clips=False)) as url:
        there = {"KBATCH_AIMLAPI_URL": url, "AIMLAPI_API_KEY": "never-to-be-seen", "KBATCH_POLL_SCALE": "0.001"}
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        campaign = await ask_prices(kbatch.load(unpriced))
        proposal = kbatch.plan(campaign)
        assert proposal.plan.totals["aimlapi"].expected == 2_625_000
        outcome = await kbatch.run(proposal, consent=proposal.plan.digest)
        assert outcome.exit_code is ExitCode.OK


async def test_a_recorded_approval_is_a_consent(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it is refused; with one it buys what the record covers, once, in parts too."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    everything = kbatch.plan(kbatch.load(manifest, simulate=True))
    with pytest.raises(Refused) as refused:
        await kbatch.run(everything, consent=Approved())
    assert refused.value.code == "not-approved"
    plan = manifest.with_name("plan.json")
    write_plan_file(plan, everything.plan, manifest=manifest, simulated=True, selection=everything.selection)
    saved = read_plan_file(plan)
    assert saved is not None
    terms = ApprovalTerms(maximum={"apiframe": 12}, lasts=timedelta(hours=1))
    approval = make_approval(saved, terms, Person(name="ann"), datetime.now(UTC))
    record_approval(everything.campaign.lockfile, approval)
    for only, done in ((["end"], 1), ([], 2), ([], 0)):
        outcome = await kbatch.run(kbatch.plan(kbatch.load(manifest, simulate=True), only=only), consent=Approved())
        assert outcome.exit_code is ExitCode.OK
        assert outcome.counts["done"] == done
    again = kbatch.plan(kbatch.load(manifest, simulate=True), replace=["end"])
    with pytest.raises(Refused) as refused:
        await kbatch.run(again, consent=Approved())
    assert refused.value.code == "approval-used"
