"""Keys of one team: a colleague's key sees other jobs, so it proves nothing of ours and buys nothing of ours again.

The vendor does not tell within what an idempotency key is one purchase: each case is played with all three.
"""

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from kbatch.runner.context import RunOptions
from kbatch.simulator.state import KeyScope
from tests.campaign_rig import Rig

BUYER, SECOND, COLLEAGUE = "red/ann/laptop-of-ann", "red/ann/key-in-the-ci", "red/ben/laptop-of-ben"
ONE = "shots:\n  - {id: one, model: kling-2.6, prompt: a lighthouse}\n"
SCOPES = [pytest.param(scope, id=scope.value) for scope in KeyScope]


def use(rig: Rig, key: str) -> None:
    """Go on with this key."""
    rig.monkeypatch.setenv("APIFRAME_API_KEY", key)


def _hasty(**flags: Any) -> RunOptions:
    return RunOptions(**{**flags, "render_deadline_s": 0.1})


def _running(rig: Rig, scope: KeyScope) -> str:
    """Buy a job that goes on rendering, with the buyer's key, and return its id."""
    rig.open("hang", key_scope=scope)
    rig.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    use(rig, BUYER)
    rig.write(ONE)
    assert rig.run().code == 1
    (job_id,) = rig.world.jobs
    return job_id


def _elsewhere(rig: Rig) -> None:
    """Go on in a clone that has manifest and lockfile, and nothing of this machine's."""
    clone = rig.root / "clone"
    clone.mkdir()
    for path in rig.folder.iterdir():
        if path.is_file():
            shutil.copy(path, clone)
    rig.folder = clone


def test_a_receipt_says_whose_key_bought_it(rig: Rig) -> None:
    """Team, user and how the key begins, as `/v2/me` tells them; neither the key nor a mail address."""
    use(rig, BUYER)
    rig.write(ONE)
    assert rig.run().code == 0
    account = rig.receipt("one")["account"]
    assert account.keys() == {"team", "user", "key"}
    assert BUYER.startswith(account["key"])
    assert len(account["key"]) <= len(BUYER) // 2
    text = (rig.folder / "campaign.lock.json").read_text()
    assert BUYER not in text
    assert "@" not in json.dumps(account)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("clone", [False, True], ids=["here", "clone"])
def test_a_colleague_cannot_give_up_a_living_job(rig: Rig, scope: KeyScope, clone: bool) -> None:
    """For a colleague's key the job is gone: `--lost` is refused and says whose it is, and nothing is bought again."""
    job_id = _running(rig, scope)
    user = rig.receipt("one")["account"]["user"]
    if clone:
        _elsewhere(rig)
    use(rig, COLLEAGUE)
    for words in (["one"], [job_id], ["one", "--bought-with-this-key"]):
        said = rig.kbatch("reconcile", "--lost", *words)
        assert said.code == 3
        assert "was bought by another user of the team" in said.err
        assert f"user {user}" in said.err
        assert rig.states() == {"one": "submitted"}
    for _ in range(2):
        assert rig.run().code == 1
    assert len(rig.charges()) == 1
    use(rig, SECOND)
    assert "still has job" in rig.kbatch("reconcile", "--lost", "one").err
    rig.world.jobs.clear()
    assert rig.kbatch("reconcile", "--lost", "one").code == 0


@pytest.mark.parametrize("command", ["pull", "run"])
def test_whose_job_it_is_is_said_to_a_colleague(both: Rig, command: str) -> None:
    """A 404 for a colleague's key is no trouble of the provider's: the message names team, user and key."""
    _running(both, KeyScope.USER)
    account = both.receipt("one")["account"]
    use(both, COLLEAGUE)
    said = both.kbatch(command, *(["--yes"] if command == "run" else []))
    assert said.code == 1
    told = " ".join(said.err.split())
    for word in account.values():
        assert word in told
    assert "`kbatch pull` with an admin's key of the team, or that user's collects it" in told
    assert "`kbatch adopt-file ADDRESS FILE`" in told
    assert both.states() == {"one": "submitted"}
    assert len(both.charges()) == 1


def test_a_clip_that_only_the_buyer_can_fetch(rig: Rig) -> None:
    """In a clone without clips the colleague's `pull` says whose job it is; the buyer's second key fetches it."""
    use(rig, BUYER)
    rig.write(ONE)
    assert rig.run().code == 0
    _elsewhere(rig)
    use(rig, COLLEAGUE)
    said = rig.kbatch("pull")
    assert said.code == 1
    assert "bought by another user of the team" in " ".join(said.err.split())
    assert "does not give its URL" not in said.err
    use(rig, SECOND)
    assert rig.kbatch("pull").code == 0
    assert list(rig.clips()) == ["renders/one.mp4"]
    assert len(rig.charges()) == 1


def _unknown(rig: Rig, scope: KeyScope) -> None:
    """Leave a send whose outcome nobody knows, with the buyer's key: it was accepted, and every look was in vain."""
    rig.open({"fault": "lost-answer", "at": "submit", "times": 1}, key_scope=scope)
    use(rig, BUYER)
    rig.write(ONE)
    app = rig.stage.app
    assert app is not None

    async def mute(scope, receive, send):
        if scope["path"] == "/v2/jobs" or (scope["path"] == "/v2/me" and rig.world.jobs):
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = mute
    assert rig.run().code == 4
    rig.stage.app = app
    assert rig.states() == {"one": "unknown"}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_colleague_settles_nothing_of_an_unknown_send(rig: Rig, scope: KeyScope) -> None:
    """Neither sent again, whatever the key's scope, nor looked for in another list; the buyer's key settles it."""
    _unknown(rig, scope)
    use(rig, COLLEAGUE)
    for command in ("run", "reconcile"):
        said = rig.kbatch(command, "--yes", "--max-credits", "100")
        assert said.code == 4
        assert "was bought by another user of the team" in " ".join(said.err.split())
    assert (len(rig.charges()), rig.bill()["requests"]["submit"]) == (1, 1)
    use(rig, BUYER)
    assert rig.run().code == 0
    assert len(rig.charges()) == 1


@pytest.mark.parametrize("scope", SCOPES)
def test_another_key_of_the_buyer_adopts_and_does_not_send_again(rig: Rig, scope: KeyScope) -> None:
    """A key may be one purchase with one API key only, so another one looks in the list, which is the user's."""
    _unknown(rig, scope)
    use(rig, SECOND)
    assert rig.run().code == 0
    assert (len(rig.charges()), rig.bill()["requests"]["submit"]) == (1, 1)
    assert rig.states() == {"one": "done"}


def test_a_colleagues_own_purchase_is_not_taken_for_ours(rig: Rig) -> None:
    """The same request in a colleague's list is another purchase: two charges, two jobs, and ours stays unknown."""
    _unknown(rig, KeyScope.USER)
    home = rig.folder
    clone = rig.root / "colleague"
    clone.mkdir()
    shutil.copy(rig.folder / rig.name, clone)
    rig.folder = clone
    use(rig, COLLEAGUE)
    assert rig.run().code == 0
    rig.folder = home
    assert rig.run().code == 4
    assert rig.states() == {"one": "unknown"}
    assert len(rig.charges()) == 2


def test_a_receipt_of_an_earlier_version_proves_no_user(rig: Rig) -> None:
    """A team as a text is unproven: `--lost` wants a person's word that the key is the buyer's; all else works."""
    _running(rig, KeyScope.USER)
    path = rig.folder / "campaign.lock.json"
    document = json.loads(path.read_text())
    for receipt in document["renders"].values():
        receipt["account"] = receipt["account"]["team"]
    path.write_text(json.dumps(document))
    shutil.rmtree(rig.folder / ".kbatch")
    assert rig.kbatch("lock", "check").code in (0, 2)
    use(rig, COLLEAGUE)
    refused = rig.kbatch("reconcile", "--lost", "one")
    assert refused.code == 3
    assert "nothing proves that this key's user bought `one`" in refused.err
    assert "--bought-with-this-key" in refused.err
    assert "its receipt does not prove whose key bought it" in " ".join(rig.kbatch("pull").err.split())
    use(rig, BUYER)
    assert rig.kbatch("reconcile", "--lost", "one").code == 3
    assert "still has job" in rig.kbatch("reconcile", "--lost", "one", "--bought-with-this-key").err
    rig.world.jobs.clear()
    assert rig.kbatch("reconcile", "--lost", "one", "--bought-with-this-key").code == 0
    assert rig.states() == {"one": "failed"}


ADMIN, ADMIN_OF_OTHERS = "red/admin-eve/laptop", "blue/admin-max/laptop"


def test_an_admin_collects_a_colleagues_job(both: Rig) -> None:
    """The team's list shows it to an admin's key: polled to its end, fetched, and bought once by its own bill."""
    _running(both, KeyScope.USER)
    account = both.receipt("one")["account"]
    both.faults()
    for job_id, job in both.world.jobs.items():
        both.world.jobs[job_id] = _ended(job)
    use(both, ADMIN)
    assert both.kbatch("pull").code == 0
    assert both.states() == {"one": "done"}
    assert both.receipt("one")["account"] == account
    assert len(both.charges()) == 1


def test_an_admin_fetches_what_a_clone_lacks(rig: Rig) -> None:
    """A clone without clips gets them with an admin's key, and not with that of another team's admin."""
    use(rig, BUYER)
    rig.write(ONE)
    assert rig.run().code == 0
    _elsewhere(rig)
    use(rig, ADMIN_OF_OTHERS)
    said = rig.kbatch("pull")
    assert (said.code, rig.clips()) == (1, {})
    assert "bought with another account's key" in " ".join(said.err.split())
    use(rig, ADMIN)
    assert rig.kbatch("pull").code == 0
    assert list(rig.clips()) == ["renders/one.mp4"]


def test_a_member_asks_for_the_teams_jobs_once(rig: Rig) -> None:
    """A 403 is remembered for the run: one look at the list, however many jobs are a colleague's."""
    use(rig, BUYER)
    rig.write("defaults: {model: kling-2.6}\nshots:\n  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n")
    assert rig.run().code == 0
    _elsewhere(rig)
    use(rig, COLLEAGUE)
    lists = []
    app = rig.stage.app
    assert app is not None

    async def watched(scope, receive, send):
        lists.extend([scope["query_string"].decode()] if scope["path"] == "/v2/jobs" else [])
        await app(scope, receive, send)

    rig.stage.app = watched
    assert rig.kbatch("pull").code == 1
    assert len([one for one in lists if "scope=team" in one]) <= 2  # two jobs may have asked at once
    assert "by another user of the team" in " ".join(rig.kbatch("pull").err.split())


def _ended(job: Any) -> Any:
    return replace(job, ends_at=job.created_at, job_faults=frozenset())
