"""A parameter that the provider refuses by name: said before the run, met once, and not sent a hundred times."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.campaign_rig import AIMLAPI, Rig

HUNDRED = "matrix: {n: %s}\n" % list(range(100))  # noqa: UP031 - braces are YAML's


class Refusing:
    """Both APIs before a simulator: a submit that `objects` to is answered 400, all else is the simulator's."""

    def __init__(self, app: ASGIApp, objects: Any) -> None:
        self.app, self.objects, self.refused = app, objects, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or "uploads" in scope["path"]:
            await self.app(scope, receive, send)
            return
        parts, message = b"", {"more_body": True}
        while message.get("more_body"):
            message = dict(await receive())
            parts += message.get("body", b"")
        answer = self.objects(json.loads(parts))
        if answer is None:
            again = iter([{"type": "http.request", "body": parts, "more_body": False}])

            async def replay() -> Any:
                found = next(again, None)
                return found if found is not None else await receive()

            await self.app(scope, replay, send)
            return
        self.refused += 1
        head = {"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]}
        await send(head)
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def refusing(rig: Rig, objects: Any) -> Refusing:
    """Put the refusing server on the stage."""
    app = rig.stage.app
    assert app is not None
    rig.stage.app = made = Refusing(app, objects)
    return made


def no_cfg_scale(body: Mapping[str, Any]) -> Any:
    """Refuse `cfg_scale` as an unknown key, as a strict schema words it."""
    if "cfg_scale" not in body.get("klingParams", {}):
        return None
    return {"error": "Validation failed", "details": {"klingParams": ["Unrecognized key(s) in object: 'cfg_scale'"]}}


def test_a_disputed_parameter_is_refused_once_for_a_hundred_jobs(both: Rig) -> None:
    """One submit is refused, 99 jobs are not sent, nothing is billed, and the words say what to write."""
    shot = "shots: [{id: a, model: kling-2.1, prompt: 'shot {{ n }}', params: {mode: standard, cfg_scale: 0.5}}]\n"
    both.write(HUNDRED + shot)
    server = refusing(both, no_cfg_scale)
    ended = both.run("-j", "20")
    assert (ended.code, server.refused, both.charges()) == (1, 1, [])
    assert ended.json["counts"]["failed"] == 1
    assert ended.json["counts"]["blocked"] == 99
    assert "Apiframe refuses `cfg_scale: 0.5` of kling-2.1: leave out `cfg_scale`" in ended.err
    assert both.bill()["requests"]["submit"] == 0


@pytest.mark.parametrize("fault", ["refuse-disputed", "refuse-disputed-parent", "refuse-disputed-text"])
def test_however_the_refusal_names_it(rig: Rig, fault: str) -> None:
    """By its path, in the words of the path above, or in the message alone: one submit, and two jobs held back."""
    shot = "shots: [{id: a, model: kling-2.1, prompt: 'shot {{ n }}', params: {mode: standard, cfg_scale: 0.5}}]\n"
    rig.write("matrix: {n: [1, 2, 3]}\n" + shot)
    rig.faults({"fault": fault})
    ended = rig.run()
    assert (ended.code, rig.bill()["requests"]["submit"], rig.charges()) == (1, 1, [])
    assert (ended.json["counts"]["failed"], ended.json["counts"]["blocked"]) == (1, 2)
    assert "leave out `cfg_scale`" in ended.err


def test_jobs_that_do_not_send_it_are_bought(rig: Rig) -> None:
    """Only what was refused is held back: another shot of the same model without it is rendered."""
    rig.write(
        "matrix: {n: [1, 2, 3]}\n"
        "shots:\n"
        "  - {id: a, model: kling-2.1, prompt: 'a {{ n }}', params: {mode: standard, cfg_scale: 0.5}}\n"
        "  - {id: b, model: kling-2.1, prompt: 'b {{ n }}', params: {mode: standard}}\n"
    )
    server = refusing(rig, no_cfg_scale)
    ended = rig.run()
    assert (ended.code, server.refused, len(rig.charges())) == (1, 1, 3)
    assert ended.json["counts"]["done"] == 3
    again = rig.run()
    assert (again.code, server.refused, len(rig.charges())) == (1, 2, 3), "a later run tries it with one job again"


def test_an_undisputed_value_blocks_the_jobs_that_send_the_same(rig: Rig) -> None:
    """A 400 that names any parameter holds back its value only; the other value of the axis is bought."""
    rig.write(
        "matrix: {n: [1, 2, 3, 4], seconds: [5, 10]}\n"
        "shots: [{id: a, model: kling-2.6, prompt: 'a {{ n }}',"
        " params: {generate_audio: false, duration: '{{ seconds }}'}}]\n"
    )

    def no_ten(body: Mapping[str, Any]) -> Any:
        if body["klingParams"]["duration"] != 10:
            return None
        return {"error": "Validation failed", "details": {"klingParams.duration": ["Too long"]}}

    server = refusing(rig, no_ten)
    ended = rig.run()
    assert (server.refused, ended.json["counts"]["done"], ended.json["counts"]["blocked"]) == (1, 4, 3)
    assert "write another `duration`, or leave it out" in ended.err


def test_aimlapi_names_it_in_error_data(rig: Rig) -> None:
    """AI/ML's envelope is understood too."""
    price = f"prices: {{aimlapi/{AIMLAPI}: {{credits: 5}}}}\n"
    params = "{image_url: 'https://a.example/b.png', type: image-to-video}"
    shot = f"shots: [{{id: a, model: {AIMLAPI}, prompt: '{{{{ n }}}}', params: {params}}}]\n"
    rig.write("matrix: {n: [1, 2, 3, 4]}\n" + price + shot, provider="aimlapi")
    data = [{"path": "type", "message": "Unrecognized key"}]
    server = refusing(rig, lambda _body: {"message": "Invalid payload provided", "error": {"data": data}})
    ended = rig.run()
    assert (server.refused, ended.json["counts"]["blocked"], rig.charges()) == (1, 3, [])


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "Validation failed", "details": {"prompt": ["Too rude"]}},
        {"error": "Validation failed"},
        {"error": "x", "details": [1, None, {"path": None}]},
        {"error": "x", "details": {"klingParams.nonsense": [{}, "no 'other' key"]}},
    ],
    ids=["the prompt", "nothing named", "nonsense", "a field that no job has"],
)
def test_a_refusal_that_names_no_parameter_is_the_jobs_own(rig: Rig, answer: Any) -> None:
    """Each job is then tried: a prompt that is refused says nothing of the next one."""
    rig.write("matrix: {n: [1, 2, 3]}\nshots: [{id: a, model: kling-2.5-turbo-pro, prompt: 'a {{ n }}'}]\n")
    server = refusing(rig, lambda _body: answer)
    ended = rig.run()
    assert (server.refused, ended.json["counts"]["failed"]) == (3, 3)
