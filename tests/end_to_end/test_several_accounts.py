"""Several accounts of one provider: who pays, who is asked, and that a second one never buys what another may have."""

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from kbatch.planner.payers import account_for
from kbatch.receipts.lifecycle import Kind
from kbatch.runner.context import RunOptions
from kbatch.simulator.state import KeyScope
from tests import crash_points
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig, journal
from tests.crash_points import At, When

ANN, ANNS_OTHER, BEN, MAX = "red/ann/laptop-of-ann", "red/ann/key-in-the-ci", "red/ben/laptop-of-ben", "blue/max/laptop"
NAMES = "abcdefgh"
SHOTS = "defaults: {model: kling-2.6}\nshots:\n" + "".join(f"  - {{id: {name}, prompt: {name}}}\n" for name in NAMES)
TWO = f"run: {{accounts: {{apiframe: {{default: 1, bob: 1}}}}}}\n{SHOTS}"
PRICE = 25


def keys(rig: Rig, default: str | None = ANN, **named: str) -> None:
    """Go on with these keys, and no others."""
    for name in ("", "_BOB", "_EVE", "_ANN"):
        rig.monkeypatch.delenv(f"APIFRAME_API_KEY{name}", raising=False)
    if default is not None:
        rig.monkeypatch.setenv("APIFRAME_API_KEY", default)
    for name, key in named.items():
        rig.monkeypatch.setenv(f"APIFRAME_API_KEY_{name.upper()}", key)


def buyers(rig: Rig) -> dict[str, str]:
    """Return the name of the account that bought each job by its address, as the receipts say."""
    return {name: (rig.receipt(name)["account"] or {}).get("name", "default") for name in rig.lockfile()["jobs"]}


def teams(rig: Rig) -> dict[str, int]:
    """Return how many jobs each team was charged for, by the simulator's own jobs."""
    found: dict[str, int] = {}
    for job in rig.world.jobs.values():
        found[job.purse] = found.get(job.purse, 0) + 1
    return found


def test_each_account_pays_what_falls_to_it(both: Rig) -> None:
    """By the fingerprint, as the plan says beforehand; the bill of each team is the share of its account."""
    both.write(TWO)
    keys(both, ANN, bob=MAX)
    plan = both.kbatch("plan", "--format", "json").json
    shares = plan["accounts"]["apiframe"]
    expected = {job["address"]: account_for(job["fingerprint"], {"default": 1, "bob": 1}) for job in plan["jobs"]}
    assert set(expected.values()) == {"default", "bob"}
    assert "paid by default: " in both.kbatch("plan").out
    assert both.run().code == 0
    assert buyers(both) == expected
    assert teams(both) == {"red": shares["default"]["jobs"], "blue": shares["bob"]["jobs"]}
    assert sum(share["credits"] for share in shares.values()) == PRICE * len(NAMES)
    assert "laptop" not in (both.folder / "campaign.lock.json").read_text().replace(MAX[:7], "")
    assert both.run().code == 0
    assert len(both.charges()) == len(NAMES)


@pytest.mark.parametrize("flag", ["bob", "apiframe=bob"])
def test_one_account_is_chosen_on_the_command_line(rig: Rig, flag: str) -> None:
    """`--account` lets that account alone pay, whatever the manifest says."""
    rig.write(TWO)
    keys(rig, ANN, bob=MAX)
    assert rig.run("--account", flag).code == 0
    assert teams(rig) == {"blue": len(NAMES)}
    assert set(buyers(rig).values()) == {"bob"}


MISTAKES = {
    "missing-key": (TWO, (), 3, "APIFRAME_API_KEY_BOB is not set"),
    "missing-key-of-the-flag": (SHOTS, ("--account", "bob"), 3, "APIFRAME_API_KEY_BOB is not set"),
    "no-name": (SHOTS, ("--account", "Bob!"), 2, "is no account's name"),
    "no-provider": (SHOTS, ("--account", "apifram=bob"), 2, "did you mean `apiframe`"),
    "weight-of-nothing": (f"run: {{accounts: {{apiframe: {{bob: 0}}}}}}\n{SHOTS}", (), 2, "campaign.yaml:"),
    "name-in-upper-case": (f"run: {{accounts: {{apiframe: {{Bob: 1}}}}}}\n{SHOTS}", (), 2, "campaign.yaml:"),
    "key-in-the-manifest": (f"run: {{accounts: {{apiframe: {{bob: afk_1}}}}}}\n{SHOTS}", (), 2, "campaign.yaml:"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_refused_before_anything_is_sent(rig: Rig, mistake: str) -> None:
    """A name without a key, a word that is no name, a weight that is none: said with its place or variable."""
    body, flags, code, words = MISTAKES[mistake]
    rig.write(body)
    keys(rig, ANN)
    said = rig.run(*flags)
    assert said.code == code
    assert words in said.err
    assert not rig.world.jobs


def test_a_balance_below_its_share_is_said_first(rig: Rig) -> None:
    """Each account needs its own share, not the whole: one that lacks it is named, with both figures."""
    rig.write(TWO)
    keys(rig, ANN, bob=MAX)
    share = rig.kbatch("plan", "--format", "json").json["accounts"]["apiframe"]["bob"]["credits"]
    rig.open(credits={"apiframe/blue": share - 1})
    said = rig.run()
    assert said.code == 3
    assert f"Apiframe (bob) has {share - 1} credits, {share} of the plan's maximum fall to it" in said.err
    assert not rig.world.jobs
    rig.open(credits={"apiframe/blue": share, "apiframe/red": PRICE * len(NAMES) - share})
    assert rig.run().code == 0


def test_two_keys_of_one_team_have_one_balance(rig: Rig) -> None:
    """A team's credits are counted once: enough for each share, and not for both, is not enough."""
    rig.write(TWO)
    keys(rig, ANN, bob=BEN)
    rig.open(credits={"apiframe/red": PRICE * len(NAMES) - 1})
    said = rig.run()
    assert said.code == 3
    assert "Apiframe and Apiframe (bob) are one team, which has 199 credits, 200 of" in said.err
    rig.open(credits={"apiframe/red": PRICE * len(NAMES)})
    assert rig.run().code == 0


def test_a_job_is_collected_by_its_buyer_under_another_name(both: Rig) -> None:
    """On another machine bob's key is the plain one, or has another name: it is known by team and user."""
    _leave_running(both)
    before = {name: both.receipt(name)["account"] for name in NAMES}
    keys(both, MAX, eve=ANNS_OTHER)
    assert both.kbatch("pull").code == 0
    assert set(both.states().values()) == {"done"}
    assert {name: both.receipt(name)["account"] for name in NAMES} == before
    assert len(both.charges()) == len(NAMES)


def test_a_job_stays_with_an_account_that_is_gone(rig: Rig) -> None:
    """Without bob's key his jobs stay owed and say whose they are; nothing is bought again; with it they come."""
    _leave_running(rig)
    bobs = {name for name, buyer in buyers(rig).items() if buyer == "bob"}
    keys(rig, ANN)
    rig.write(SHOTS)
    said = rig.run()
    assert said.code == 1
    assert {name for name, state in rig.states().items() if state == "submitted"} == bobs
    assert "account bob" in " ".join(said.err.split())
    assert len(rig.charges()) == len(NAMES)
    keys(rig, ANN, bob=MAX)
    assert rig.kbatch("pull", "--account", "bob").code == 0
    assert set(rig.states().values()) == {"done"}


def _hasty(**flags: Any) -> RunOptions:
    return RunOptions(**{**flags, "render_deadline_s": 0.1})


def _leave_running(rig: Rig) -> None:
    """Buy all jobs with both accounts, whose renders end only after the run has."""
    rig.open("hang")
    rig.write(TWO)
    keys(rig, ANN, bob=MAX)
    with rig.monkeypatch.context() as patch:
        patch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
        assert rig.run().code == 1
    rig.faults()
    for job_id, job in rig.world.jobs.items():
        rig.world.jobs[job_id] = replace(job, ends_at=job.created_at, job_faults=frozenset())


@pytest.mark.parametrize("scope", list(KeyScope), ids=lambda scope: scope.value)
def test_a_second_account_never_buys_what_the_first_may_have_bought(either: Rig, scope: KeyScope) -> None:
    """A lost answer of bob's stays unknown for everyone else, whoever is to pay now; with his key it is settled."""
    either.open({"fault": "lost-answer", "at": "submit", "times": 1}, key_scope=scope)
    either.write("defaults: {model: kling-2.6}\nshots:\n  - {id: a, prompt: a}\n")
    keys(either, ANN, bob=MAX)
    app = either.stage.app
    assert app is not None

    async def mute(scope, receive, send):
        if scope["path"] == "/v2/jobs" or (scope["path"] == "/v2/me" and either.world.jobs):
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    either.stage.app = mute
    assert either.run("--account", "bob").code == 4
    either.stage.app = app
    for flags in ((), ("--account", "default"), ("--account", "ann")):
        keys(either, ANN, ann=BEN)
        assert either.run(*flags).code == 4
        assert either.kbatch("reconcile", "--yes", "--max-credits", "500", *flags).code == 4
    assert len(either.charges()) == 1
    keys(either, ANN, eve=MAX)
    assert either.kbatch("reconcile").code == 0
    assert len(either.charges()) == 1
    assert either.kbatch("pull").code == 0
    assert set(either.states().values()) == {"done"}


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER], ids=lambda when: when.value)
def test_lost_state_buys_from_the_same_account(rig: Rig, when: When) -> None:
    """Killed in the middle, journal and lockfile gone: each purchase goes to its account again, whose key answers."""
    for number in (3, 6, 9):
        rig.fresh(f"kill-{when.value}-{number}", key_scope=KeyScope.KEY)
        rig.write(TWO)
        keys(rig, ANN, bob=MAX)
        assert crash_points.die(rig, At.LINE, when, number)
        shutil.rmtree(rig.folder / ".kbatch")
        (rig.folder / "campaign.lock.json").unlink(missing_ok=True)
        assert rig.run().code == 0
        assert len(rig.charges()) == len(NAMES)
        assert sum(line["credits"] for line in rig.charges()) == PRICE * len(NAMES)


@pytest.mark.parametrize("number", [2, 5, 11])
def test_killed_and_gone_on_with(either: Rig, number: int) -> None:
    """After a kill the same command finishes: no purchase twice, each at its account."""
    either.write(TWO)
    keys(either, ANN, bob=MAX)
    assert crash_points.die(either, At.LINE, When.AFTER, number)
    assert any(event.kind is Kind.INTENDED for event in journal(either.folder))
    assert either.run().code == 0
    assert set(either.states().values()) == {"done"}
    assert len(either.charges()) == len(NAMES)
    assert set(buyers(either).values()) == {"default", "bob"}


def test_an_approval_is_for_the_accounts_that_it_shows(rig: Rig) -> None:
    """The digest covers who pays: other accounts need another consent, and a saved plan pays as it was saved."""
    rig.write(SHOTS)
    keys(rig, ANN, bob=MAX)
    plain = rig.kbatch("plan", "--format", "json").json
    bobs = rig.kbatch("plan", "--account", "bob", "--format", "json", "--out", str(rig.folder / "plan.json")).json
    assert "accounts" not in plain
    assert plain["digest"] != bobs["digest"]
    assert rig.kbatch("run", "--approve", plain["digest"], "--account", "bob").code == 3
    assert rig.kbatch("run", "--account", "bob", "--yes", manifest="plan.json").code == 2
    assert "paid by bob" in rig.kbatch("plan", manifest="plan.json").out
    assert rig.kbatch("run", "--yes", manifest="plan.json").code == 0
    assert teams(rig) == {"blue": len(NAMES)}


def test_a_key_that_is_refused_stops_its_own_account(rig: Rig) -> None:
    """A wrong key is exit 5 before anything is sent, and the message names its account and its variable."""
    rig.write(TWO)
    keys(rig, ANN, bob="bad-key-of-bob")
    said = rig.run()
    assert said.code == 5
    assert "Apiframe (bob): the key is refused" in said.err
    assert "APIFRAME_API_KEY_BOB" in said.err
    assert not rig.world.jobs


def test_the_doctor_shows_every_account(rig: Rig) -> None:
    """Name, team, user, role, credits, jobs at once; a team's credits are said to be the same; no key is shown."""
    rig.write(TWO)
    keys(rig, ANN, eve="red/admin-eve/key-of-eve")
    rig.monkeypatch.chdir(rig.folder)
    said = rig.kbatch("doctor", "--format", "json")
    rows = {row["name"]: row for row in said.json["findings"] if row["name"].split(" (")[0] == "Apiframe"}
    assert set(rows) == {"Apiframe", "Apiframe (eve)", "Apiframe (bob)"}
    assert rows["Apiframe (eve)"]["account"]["role"] == "ADMIN"
    assert rows["Apiframe"]["account"]["team"] == rows["Apiframe (eve)"]["account"]["team"]
    assert "one team with default" in rows["Apiframe (eve)"]["words"]
    assert rows["Apiframe (bob)"]["good"] is None
    assert "APIFRAME_API_KEY_BOB is not set" in rows["Apiframe (bob)"]["words"]
    assert "key-of-eve" not in json.dumps(said.json)
    assert rig.kbatch("doctor", "--account", "bob").code == 1


def test_a_rehearsal_has_accounts_too(rig: Rig) -> None:
    """`--simulate` needs no key, and its receipts say which account would have paid."""
    rig.write(TWO)
    keys(rig, None)
    plan = rig.kbatch("plan", "--simulate", "--format", "json").json
    weights = {"default": 1, "bob": 1}
    one_of_each = {account_for(job["fingerprint"], weights): job["address"] for job in plan["jobs"]}
    chosen = [word for address in one_of_each.values() for word in ("--only", address)]
    assert rig.kbatch("run", "--yes", "--simulate", *chosen).code == 0
    renders = rig.lockfile("campaign.sim.lock.json")["renders"].values()
    assert {receipt["account"].get("name", "default") for receipt in renders} == {"default", "bob"}
    assert rig.kbatch("pull", "--simulate").code == 0


def test_accounts_of_a_provider_that_names_none(rig: Rig) -> None:
    """On the AI/ML API, which tells neither team nor user, a hash tells keys apart; none of a key is written down."""
    rig.picture("a.png")
    shots = "".join(f"  - {{id: {name}, prompt: {name}}}\n" for name in NAMES[:6])
    defaults = f"defaults: {{model: {AIMLAPI}, params: {{image_url: a.png}}}}"
    accounts = "run: {accounts: {aimlapi: {default: 1, bob: 1}}}"
    rig.write(f"{accounts}\n{AIMLAPI_PRICE}\n{defaults}\nshots:\n{shots}", provider="aimlapi")
    rig.monkeypatch.setenv("AIMLAPI_API_KEY_BOB", "another-key-never-to-be-seen")
    sent: list[str] = []
    app = rig.stage.app
    assert app is not None

    async def watched(scope, receive, send):
        headers = dict(scope["headers"])
        sent.extend([headers[b"authorization"].decode()] if scope["method"] == "POST" else [])
        await app(scope, receive, send)

    rig.stage.app = watched
    assert rig.run().code == 0
    accounts_of = [rig.receipt(name)["account"] for name in NAMES[:6]]
    bobs = [account for account in accounts_of if account.get("name") == "bob"]
    assert 0 < len(bobs) == sum("another-key" in header for header in sent) < 6
    assert len({account["key"] for account in accounts_of}) == 2
    assert all(account["key"].startswith("sha256:") for account in accounts_of)
    assert "never-to-be-seen" not in (rig.folder / "campaign.lock.json").read_text()


@pytest.mark.parametrize("simulated", [False, True], ids=["bought", "simulated"])
def test_a_name_that_is_none_in_a_lockfile(rig: Rig, simulated: bool) -> None:
    """A lockfile may be a stranger's: a name that no variable can have is looked for nowhere, and breaks nothing."""
    rig.write("shots:\n  - {id: a, model: kling-2.6, prompt: a}\n")
    keys(rig, ANN)
    flags = ("--simulate",) if simulated else ()
    assert rig.kbatch("run", "--yes", *flags).code == 0
    path = rig.folder / f"campaign{'.sim' if simulated else ''}.lock.json"
    document = json.loads(path.read_text())
    (receipt,) = document["renders"].values()
    receipt["account"]["name"] = "bob\r\nx-api-key: é"
    path.write_text(json.dumps(document))
    shutil.rmtree(rig.folder / ".kbatch")
    clip = rig.folder / receipt["output"]["path"]
    clip.unlink()
    assert rig.kbatch("pull", *flags).code in (0, 1)
    keys(rig, None)
    assert rig.kbatch("pull", *flags).code in ((0, 1) if simulated else (3,))


def test_a_lost_answer_is_looked_up_in_the_log_of_its_own_key(rig: Rig) -> None:
    """On the AI/ML API the log of another account settles nothing; the sender's does, whatever its key is called."""
    rig.picture("a.png")
    defaults = f"defaults: {{model: {AIMLAPI}, params: {{image_url: a.png}}}}"
    rig.write(f"{AIMLAPI_PRICE}\n{defaults}\nshots:\n  - {{id: a, prompt: a}}\n", provider="aimlapi")
    rig.open({"fault": "lost-answer", "at": "submit", "times": 1})
    rig.monkeypatch.setenv("AIMLAPI_API_KEY_BOB", "another-key-never-to-be-seen")
    app = rig.stage.app
    assert app is not None

    async def without_a_log(scope, receive, send):
        if scope["path"] == "/v2/logs":
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = without_a_log
    assert rig.run("--account", "bob").code == 4
    rig.stage.app = app
    rig.monkeypatch.delenv("AIMLAPI_API_KEY_BOB")
    for flags in ((), ("--account", "default")):
        assert rig.run(*flags).code == 4
        assert "only that key's log can show it" in " ".join(rig.kbatch("reconcile", *flags).err.split())
    rig.monkeypatch.setenv("AIMLAPI_API_KEY_EVE", "another-key-never-to-be-seen")
    assert rig.run().code == 0
    assert rig.states() == {"a": "done"}
    assert len(rig.charges()) == 1
