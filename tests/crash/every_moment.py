"""Killed at every moment there is, one after the other, on both providers; asyncio and trio take turns."""

from itertools import count

from kbatch.simulator.providers.own_offers import offers_of_cards
from tests.campaign_rig import AIMLAPI, AIMLAPI_V3, Rig, card_data, use_backend
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

_APIFRAME = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse, params: {start_image: a.png}}
  - {id: two, prompt: a harbour}
  - {id: twin, prompt: a harbour}
"""
_OTHER = f"""
defaults: {{model: {AIMLAPI}, params: {{image_url: a.png}}}}
shots:
  - {{id: one, prompt: a lighthouse}}
  - {{id: two, prompt: a harbour}}
"""
_NEWER = f"""
prices: {{aimlapi/{AIMLAPI_V3}: {{credits_per_second: 262500}}}}
{_OTHER.replace(AIMLAPI, AIMLAPI_V3)}"""
_LOST, _LOST_NEWER = "aimlapi-lost", "aimlapi-v2-lost"
"""AI/ML's two endpoints, with the answer to one send lost: its log settles it, with kills between."""

_CAMPAIGNS = {
    "apiframe": (_APIFRAME, 8),
    "aimlapi": (_OTHER, 2 * AIMLAPI_CLIP),
    _LOST: (_OTHER, 2 * AIMLAPI_CLIP),
    _LOST_NEWER: (_NEWER, 2 * AIMLAPI_CLIP),
}
_FAULTS = dict.fromkeys((_LOST, _LOST_NEWER), ({"fault": "lost-answer", "match": "lighthouse", "times": 1},))
_BOTH = ("apiframe", "aimlapi")
_KINDS = [
    (At.LINE, When.BEFORE, 12, _BOTH),
    (At.LINE, When.HALF, 12, ("apiframe",)),
    (At.LINE, When.AFTER, 12, (*_BOTH, _LOST, _LOST_NEWER)),
    (At.ANSWER, When.AFTER, 2, _BOTH),
    (At.PIECE, When.HALF, 2, _BOTH),
    (At.PIECE, When.AFTER, 2, _BOTH),
    (At.MOVE, When.BEFORE, 2, _BOTH),
    (At.MOVE, When.AFTER, 2, _BOTH),
    (At.REPLACE, When.BEFORE, 4, ("aimlapi",)),
    (At.REPLACE, When.HALF, 4, _BOTH),
    (At.REPLACE, When.AFTER, 4, ("apiframe",)),
]
MOMENTS = [(provider, at, when, least) for at, when, least, providers in _KINDS for provider in providers]
"""Provider, what kills are counted by, when they strike, and how many there are at least."""


def every_moment(rig: Rig) -> Tally:
    """Kill at every moment of every kind."""
    return sum((each(rig, provider, at, when, least) for provider, at, when, least in MOMENTS), Tally())


def each(rig: Rig, provider: str, at: At, when: When, least: int) -> Tally:
    """Kill at the first moment of a kind, at the second and so on to the last, and finish the campaign each time."""
    total, offers = Tally(), offers_of_cards([card_data(AIMLAPI_V3)])
    body, ceiling = _CAMPAIGNS[provider]
    for number in count(1):
        use_backend(rig.monkeypatch, ("asyncio", "trio")[number % 2])
        name = f"{provider}-{when.value}-{at.name.lower()}-{number}"
        payer, faults = provider.partition("-")[0], _FAULTS.get(provider, ())
        scenario = begin(rig, name, body, {payer: ceiling}, faults=faults, offers=offers)
        if not scenario.die(at, when, number):
            scenario.expect(number > least, f"there were only {number - 1} moments to kill at")
            return total + scenario.tally()
        _finish(scenario, provider)
        total += scenario.tally()
    raise AssertionError


def _finish(scenario: Scenario, provider: str) -> None:
    said = scenario.run()
    unknown = scenario.unknown()
    scenario.expect(said.code == (4 if unknown else 0), f"exit {said.code}: {said.err[-160:]}")
    scenario.expect(len(unknown) <= provider.startswith("aimlapi"), f"unknown: {unknown}")
    scenario.expect(scenario.rig.kbatch("plan", "--check").code == 0, "something is left to buy")
    if not unknown:
        jobs = ("one", "two", "twin") if provider == "apiframe" else ("one", "two")
        scenario.expect(
            sorted(scenario.rig.clips()) == sorted(f"renders/{job}.mp4" for job in jobs), "clips are missing"
        )
