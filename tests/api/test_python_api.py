"""The Python API is the same pipeline as the commands: load, plan, run with consent."""

from pathlib import Path

import pytest

import kbatch
from kbatch.problems import ExitCode, Invalid, Refused

pytestmark = pytest.mark.anyio

MANIFEST = """
kbatch: 1
name: api
provider: apiframe
defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
shots: [{id: hero, prompt: "{{ city }}", matrix: {city: [Oslo, Rome]}}, {id: end, prompt: end}]
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest of three jobs."""
    path = tmp_path / "api.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


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


async def test_what_is_wrong_is_a_value(manifest: Path) -> None:
    """A wrong manifest raises Invalid with problems that have places."""
    manifest.write_text(MANIFEST.replace("prompt: end", "prompt: end, takes: none"), encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        kbatch.load(manifest)
    assert caught.value.problems[0].mark is not None
