"""Whatever becomes of prompts, profiles, names and places: each paid clip is on this disk, where its receipt says.

Random campaigns, each by a seed: prompts change and come back, two shots share one, profiles take turns, clips are
bought again and renamed. After every run each receipt's file is held against its digest, and each worked job's place.
"""

from dataclasses import dataclass, field
from random import Random

import pytest
from starlette.types import Receive, Scope, Send

from tests.campaign_rig import Rig

NAMES = ("{{ slug }}.mp4", "x/{{ slug }}.mp4", "{{ shot.id }}-{{ take }}.mp4")
RUNS = 7


@dataclass
class Campaign:
    """A manifest that changes at random."""

    chance: Random
    name: str = NAMES[0]
    draft_s: int = 10
    ids: list[str] = field(default_factory=lambda: ["one", "two"])
    prompts: list[str] = field(default_factory=lambda: ["a", "b"])

    def change(self) -> list[str]:
        """Change something, and return the arguments of the next run."""
        match self.chance.choice(("prompt", "prompt", "name", "draft", "swap", "id", "share", "replace", "nothing")):
            case "prompt":
                self.prompts[self.chance.randrange(2)] = self.chance.choice("abc")
            case "name":
                self.name = self.chance.choice(NAMES)
            case "draft":
                self.draft_s = 15 - self.draft_s
            case "swap":
                self.prompts.reverse()
            case "id":
                self.ids[0] = self.chance.choice(("one", "uno"))
            case "share":
                self.prompts = [self.prompts[0]] * 2
            case "replace":
                return ["--replace", self.chance.choice((*self.ids, "*")), *self._part()]
        return self._part()

    def _part(self) -> list[str]:
        return self.chance.choice(([], [], ["--profile", "draft"], ["--only", self.ids[0]]))

    def text(self) -> str:
        """Return the manifest as it is now."""
        shots = "".join(
            f"  - {{id: {name}, prompt: {prompt}}}\n" for name, prompt in zip(self.ids, self.prompts, strict=True)
        )
        return (
            f"output: {{dir: renders, name: {self.name!r}}}\n"
            f"profiles: {{draft: {{override: {{params: {{duration: {self.draft_s}}}}}}}}}\n"
            f"defaults: {{model: kling-2.5-turbo-pro}}\nshots:\n{shots}"
        )


@pytest.mark.parametrize("seed", range(6))
def test_no_paid_clip_is_ever_lost(rig: Rig, seed: int) -> None:
    """Every charge has a receipt, every receipt its file with its digest, and every job that was worked its clip."""
    campaign = Campaign(Random(seed))
    for number in range(RUNS):
        args = campaign.change()
        rig.write(campaign.text())
        said = rig.run(*args)
        assert said.code == 0, said.err
        _check(rig, args, f"seed {seed}, run {number}")


def _check(rig: Rig, args: list[str], where: str) -> None:
    lockfile, clips = rig.lockfile(), rig.clips()
    bought = [one for shown in lockfile["renders"].values() for one in (shown, *shown.get("also", ()))]
    for one in bought:
        assert clips.get(one["output"]["path"]) == one["output"]["sha256"], where
    assert {one["job_id"] for one in bought} == {line["job_id"] for line in rig.charges()}, where
    index = lockfile["profiles"]["draft"]["jobs"] if "--profile" in args else lockfile["jobs"]
    for entry in index.values() if "--only" not in args else ():
        assert clips[entry["path"]] == lockfile["renders"][entry["fingerprint"]]["output"]["sha256"], where


def test_two_clips_of_the_same_bytes_both_come_back(rig: Rig) -> None:
    """Two takes with the same bytes share a file in the archive; bringing one back leaves the other its own."""
    app, served = rig.stage.app, list[str]()
    assert app is not None

    async def one_film(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/clips/"):
            served.append(scope["path"])
            scope = {**scope, "path": served[0], "raw_path": served[0].encode()}
        await app(scope, receive, send)

    rig.stage.app = one_film
    body = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, takes: 2, prompt: %s}\n"
    clips = {}
    for prompt in ("a", "b", "a"):
        served.clear()
        rig.write(body % prompt)
        said = rig.run()
        assert (said.code, said.json["absent"]) == (0, {}), said.err
        clips = clips or rig.clips()
    assert len(clips) == 2
    assert len(set(clips.values())) == 1
    assert clips.items() <= rig.clips().items()
    assert rig.kbatch("verify").code == 0
    assert len(rig.charges()) == 4
