"""Every fault that the simulator knows, wherever it can strike, on each provider: what a run and the next one end with.

The first run meets the fault once, the second one none; the tables say with which exit codes they end. After a send
that may have been paid, every further send of that job is told that nothing was bought, which nobody can know. What
stays unknown is followed to its end: its credits stay held, it is not sent again, and `reconcile` settles it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kbatch.runner.context import RunOptions
from kbatch.simulator.exchange import PROVIDERS
from kbatch.simulator.faults.faultkinds import KINDS, FaultMoment, FaultTarget
from tests.campaign_rig import AIMLAPI, Rig, use_backend
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally

_APIFRAME = """
defaults: {model: kling-2.6}
shots:
  - {id: one, prompt: a lighthouse, params: {start_image: a.png}}
  - {id: two, prompt: a harbour}
"""
_OTHER = f"""
defaults: {{model: {AIMLAPI}, params: {{image_url: a.png}}}}
shots:
  - {{id: one, prompt: a lighthouse}}
  - {{id: two, prompt: a harbour}}
"""
_CAMPAIGNS = {"apiframe": (_APIFRAME, 50), "aimlapi": (_OTHER, 2 * AIMLAPI_CLIP)}
_FIRST = "a lighthouse"
_THEN = ("401", "402", "400", "429")

CODES = {
    (names, place): (apiframe, aimlapi)
    for names, place, apiframe, aimlapi in (
        # refused: nothing was bought, the next run buys it; a refused prompt waits for another one
        ("400 404", "submit", (1, 0), (1, 0)),
        ("moderation", "submit", (1, 1), (1, 1)),
        ("401 402 403 no-credits", "submit", (5, 0), (5, 0)),
        ("429 429-date", "submit", (0, 0), (0, 0)),
        # unknown: Apiframe is asked again with the same key; AI/ML's log shows what was accepted, the rest waits
        ("500 502 504 524 503-non-json 409", "submit", (0, 0), (4, 4)),
        ("non-json redirect cut timeout", "submit", (0, 0), (4, 4)),
        ("lost-answer hang-answer non-json-after-accept", "submit", (0, 0), (0, 0)),
        ("garbled-after-accept", "submit", (0, 0), (0, 0)),  # AI/ML's head names the job
        ("500-after-accept 502-after-accept 504-after-accept 524-after-accept", "submit", (0, 0), (0, 0)),
        ("503", "submit", (0, 0), (4, 4)),  # Apiframe documents: not accepted, and has the key
        ("503-after-accept", "submit", (0, 0), (0, 0)),
        ("slow", "submit", (0, 0), (0, 0)),
        # what becomes of a job: a surprising price stops its model until it is agreed to
        ("charge-double", "submit", (1, 3), (1, 3)),
        ("fail fail-moderation cancelled", "submit", (1, 0), (1, 0)),
        ("hang", "submit", (1, 1), (1, 1)),
        ("short-clip", "submit", (1, 0), (1, 0)),
        ("silent-clip", "submit", (1, 0), (0, 0)),  # AI/ML's model has no audio to be silent about
        ("wrong-size expired-url result-string result-list result-video-url video-list", "submit", (0, 0), (0, 0)),
        ("video-url older-words no-usage", "submit", (0, 0), (0, 0)),
        # polls and downloads are asked again; a refused key is told
        ("401 403", "poll", (5, 0), (5, 0)),
        ("400 402 404 409 429 429-date 500 502 503 503-non-json 504 524", "poll", (0, 0), (0, 0)),
        ("non-json redirect cut timeout slow", "poll", (0, 0), (0, 0)),
        ("poll-404 poll-429 poll-500 poll-503 poll-524", "poll", (0, 0), (0, 0)),
        ("poll-non-json poll-cut poll-unknown-status", "poll", (0, 0), (0, 0)),
        ("400 401 402 403 404 409 429 429-date", "download", (0, 0), (0, 0)),
        ("500 502 503 503-non-json 504 524", "download", (0, 0), (0, 0)),
        ("non-json redirect cut timeout slow", "download", (0, 0), (0, 0)),
        ("cut-download truncated empty html no-range", "download", (0, 0), (0, 0)),
        ("download-redirect slow-download download-404 download-500", "download", (0, 0), (0, 0)),
        ("redirect-private", "download", (1, 0), (1, 0)),
        # an upload costs nothing: what it is refused for ends its job, or the run
        ("400 404", "upload", (1, 0), None),
        ("401 402 403", "upload", (5, 0), None),
        ("409 429 429-date 500 502 503 503-non-json 504 524", "upload", (0, 0), None),
        ("non-json redirect cut timeout slow", "upload", (0, 0), None),
        ("upload-413 upload-429 upload-500 upload-502 upload-expires-soon", "upload", (0, 0), None),
    )
}
"""By fault and place: the exit codes of the run that meets it and of the next one, on Apiframe and on AI/ML."""

_FIRST_SENDS = ("429", "429-date", "503", "503-after-accept")
_AFTER_FIRST_SENDS = {"401": (5, 0), "402": (5, 0), "400": (1, 0), "429": (1, 0)}
"""A send after an answer that said "not accepted" is a first send again, and its refusal is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault, where it strikes, which answer every further send of that job gets (None: the true one), and the exit
    codes of both runs."""

    provider: str
    fault: str
    place: str
    then: str | None = None
    codes: tuple[int, int]

    @property
    def name(self) -> str:
        """What the case is called in a report."""
        return "-".join((self.provider, self.place, self.fault, *(("then", self.then) if self.then else ())))

    @property
    def unknown(self) -> bool:
        """Whether AI/ML's answer leaves open what was bought."""
        return self.codes == (4, 4)


def cases() -> tuple[Case, ...]:
    """Return every case there is; KeyError for a fault that is in no table."""
    codes = {(name, place): both for (names, place), both in CODES.items() for name in names.split()}
    found = []
    for fault, place, provider in _everywhere():
        wanted = codes[fault, place][PROVIDERS.index(provider)]
        assert wanted is not None, f"{fault} at {place} cannot happen on {provider}"
        case = Case(provider=provider, fault=fault, place=place, codes=wanted)
        found += [case, *_resent(case)]
    return tuple(found)


PLACES = (FaultTarget.SUBMIT, FaultTarget.POLL, FaultTarget.DOWNLOAD, FaultTarget.UPLOAD)
"""Requests that every run makes; what the answers of lists and accounts do is tested where they are asked."""


def _everywhere() -> Iterator[tuple[str, str, str]]:
    for fault, kind in KINDS.items():
        places = tuple(place for place in kind.targets if place in PLACES) if kind.targets[0] in PLACES else ()
        if kind.moment is FaultMoment.CHECK:  # of what these campaigns do not send
            continue
        for place in places[:1] if kind.moment is FaultMoment.OF_JOB else places:
            for provider in PROVIDERS if kind.provider is None else (kind.provider,):
                if place is not FaultTarget.UPLOAD or provider == "apiframe":
                    yield fault, place.value, provider


def _resent(case: Case) -> Iterator[Case]:
    """Give the cases in which what is sent again is refused, if it is sent again, or must not be."""
    kind = KINDS[case.fault]
    if case.place != "submit" or kind.moment not in (FaultMoment.BEFORE, FaultMoment.AFTER):
        return
    for then in _THEN:
        if case.unknown:
            yield replace(case, then=then)
        elif case.fault in _FIRST_SENDS and not (case.provider == "aimlapi" and kind.moment is FaultMoment.AFTER):
            yield replace(case, then=then, codes=_AFTER_FIRST_SENDS[then])
        elif case.codes == (0, 0):
            found = kind.moment is FaultMoment.AFTER  # in the list of jobs, which only the accepted are in
            yield replace(case, then=then, codes=(0, 0) if found else (4, 0))


def short() -> tuple[Case, ...]:
    """Return each fault at its usual place on each provider; what is sent again is refused in one of the ways."""
    usual = [case for case in cases() if case.place == KINDS[case.fault].targets[0].value]
    turn = [_THEN[crc32(case.fault.encode()) % len(_THEN)] for case in usual]
    return tuple(
        case
        for case, then in zip(usual, turn, strict=True)
        if case.then is None or (case.then == then and not case.unknown)
    )


def every_fault(rig: Rig) -> Tally:
    """Meet every fault in every way."""
    total = sum((meet(rig, case) for case in cases()), Tally())
    return replace(total, faults=len({(case.fault, case.provider) for case in cases()}))


def meet(rig: Rig, case: Case) -> Tally:
    """Run a campaign into a fault, then without it, then to its end."""
    use_backend(rig.monkeypatch, ("asyncio", "trio")[crc32(case.name.encode()) % 2])
    body, ceiling = _CAMPAIGNS[case.provider]
    scenario = begin(rig, case.name, body, {case.provider: ceiling}, faults=[_fault(case)], hang_s=0.05)
    rig.stage.app = sequel = Sequel(rig, case.then)
    with rig.monkeypatch.context() as patch:
        if case.fault == "hang":
            patch.setattr("kbatch.cli.run_plan.RunOptions", partial(RunOptions, render_deadline_s=400.0))
        scenario.finish(code=case.codes[0])
        sequel.over()
        scenario.finish(code=case.codes[1])
    if case.fault == "charge-double":
        scenario.expect(len(rig.charges()) == 1, f"charged {len(rig.charges())} times above the quote")
    if not case.unknown:
        return scenario.tally()
    scenario.expect(sequel.sends == {"lighthouse": 1, "harbour": 1}, f"sent {sequel.sends}")
    held = scenario.tally()
    scenario.expect(held.unknown == 1, f"{held.unknown} unknown")
    if case.then or held.unknown != 1:
        return held
    _settle(scenario)
    return replace(scenario.tally(), unknown=held.unknown)


def _fault(case: Case) -> dict[str, object]:
    """Return the fault for a faults file; what is followed by another answer hits the job that this one is for."""
    at = {} if KINDS[case.fault].moment is FaultMoment.OF_JOB else {"at": case.place}
    return {"fault": case.fault, "times": 1, **at, **({"match": _FIRST} if case.then else {})}


def _settle(scenario: Scenario) -> None:
    """Try to buy with what is held, then say what became of the send, as a person does who looks at the dashboard."""
    manifest = scenario.rig.folder / scenario.rig.name
    before = manifest.read_text()
    manifest.write_text(before + "  - {id: three, prompt: a meadow}\n")
    scenario.finish(code=3)
    manifest.write_text(before)
    (address,) = [name for name, state in scenario.rig.states().items() if state == "unknown"]
    known = {scenario.rig.receipt(name)["job_id"] for name in scenario.rig.states()}
    lost = [job_id for job_id in scenario.rig.world.jobs if job_id not in known]
    word = ("--adopt", f"{address}={lost[0]}") if lost else ("--refused", address)
    settled = scenario.rig.kbatch("reconcile", *word)
    scenario.expect(settled.code == 0, f"reconcile: exit {settled.code}: {settled.err[-160:]}")
    scenario.finish()
    scenario.expect(not scenario.unknown(), "unknown after reconcile")


class Sequel:
    """Counts the sends of each job, and gives every further send of the first one another answer, until it is over."""

    def __init__(self, rig: Rig, fault: str | None) -> None:
        assert rig.stage.app is not None
        self._app: ASGIApp = rig.stage.app
        self._rig, self._fault = rig, fault
        self.sends = {"lighthouse": 0, "harbour": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        first: list[Message] = []
        if scope["method"] == "POST" and "upload" not in scope["path"]:
            first.append(await receive())
            for word in self.sends:
                self.sends[word] += word.encode() in first[0]["body"]
            if self._fault and self.sends["lighthouse"] == 2:
                self._rig.faults({"fault": self._fault, "at": "submit", "match": _FIRST})
                self._fault = None

        async def again() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, again, send)

    def over(self) -> None:
        """Let the world be without faults from now on."""
        self._fault = None
        self._rig.faults()
