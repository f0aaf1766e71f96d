"""An agent with `kbatch mcp --allow-run` buys at most the plan that a person has signed, once; the bill decides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from tests.campaign_rig import Rig
from tests.end_to_end.approval_rehearsal import approve, bought, signers, ssh_key
from tests.mcp_client import client

TWO = """
defaults: {model: kling-2.5-turbo-pro}
profiles: {dear: {override: {params: {duration: 10}}}}
shots:
  - {id: one, prompt: one}
  - {id: two, prompt: two}
"""
HOSTILE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("run", {"manifest": "dear.yaml"}),
    ("run", {"manifest": "campaign.yaml", "profile": "dear"}),
    ("run", {"manifest": "campaign.yaml", "yes": True}),
    ("run", {"manifest": "campaign.yaml", "max_credits": ["5000"]}),
    ("run", {"manifest": "campaign.yaml", "replace": ["*"]}),
    ("run", {"manifest": "campaign.yaml", "allowed_signers": "mine"}),
    ("run", {"manifest": "plan.json"}),
    ("run", {"manifest": "../campaign.yaml"}),
    ("run", {"manifest": "campaign.yaml", "profile": "--yes"}),
    ("approve", {"plan": "plan.json"}),
)


def ask(
    folder: Path, calls: list[tuple[str, Mapping[str, Any]]], *args: str, at_once: bool = False
) -> list[tuple[bool, str]]:
    """Make these calls of one client, and return of each whether it failed, and its text."""

    async def every() -> list[tuple[bool, str]]:
        said: list[tuple[bool, str]] = []

        async def one(session: Any, name: str, arguments: Mapping[str, Any]) -> None:
            answer = await session.call_tool(name, dict(arguments))
            said.append((answer.is_error, answer.content[0].text))

        async with client(folder, *args) as session, anyio.create_task_group() as tasks:
            for name, arguments in calls:
                if at_once:
                    tasks.start_soon(one, session, name, arguments)
                else:
                    await one(session, name, arguments)
        return said

    return anyio.run(every)


def test_a_hostile_client_buys_the_approved_plan_once(rig: Rig, tmp_path: Path) -> None:
    """A hundred calls at once, most of them altered, then each of them again: the two approved clips, once."""
    rig.write(TWO.replace("prompt: one", "prompt: dearer"), name="dear.yaml")
    rig.write(TWO, name="campaign.yaml")
    key = ssh_key(tmp_path / "keys", "ann")
    policy = ("--allow-run", "--allowed-signers", str(signers(tmp_path / "keys" / "signers", ann=key)))
    agreed = ("run", {"manifest": "campaign.yaml"})
    [(failed, _)] = ask(rig.folder, [agreed], *policy)
    assert failed, "nothing is approved yet"
    approve(rig)
    [(failed, text)] = ask(rig.folder, [agreed], *policy)
    assert failed, "an approval that is only sealed could be the agent's own"
    assert "not-approved" in text or "signed" in text, text
    assert not rig.charges()
    approve(rig, "--sign", str(key))
    said = ask(rig.folder, [*HOSTILE * 5, *[agreed] * 50], *policy, at_once=True)
    assert len(said) == 100
    assert bought(rig) in ([], [4, 4]), "whichever call came first, an altered one buys nothing"
    (done, *altered, again) = ask(rig.folder, [agreed, *HOSTILE, agreed], *policy)
    assert not done[0], done[1]
    assert bought(rig) == [4, 4]
    assert all(failed for failed, _ in altered), altered
    assert not again[0], again[1]
    assert bought(rig) == [4, 4]
    assert len({line["idempotency_key"] for line in rig.charges()}) == 2


def test_an_approved_revision_is_no_file_of_the_agents(rig: Rig, tmp_path: Path) -> None:
    """A record beside the manifest does not count where approvals are read from a reviewed revision."""
    rig.write(TWO)
    approve(rig)
    [(failed, text)] = ask(
        rig.folder, [("run", {"manifest": "campaign.yaml"})], "--allow-run", "--approved-from", "git:HEAD"
    )
    assert failed, text
    assert not rig.charges()
