"""The two providers that kbatch pretends itself, each with its endpoints, its faults' faces and its ways with money."""

from collections.abc import Mapping
from typing import Any

from kbatch.simulator.exchange import AIMLAPI, APIFRAME, Reply, SimulatedRequest
from kbatch.simulator.faults.responses import TEXTS, later
from kbatch.simulator.faults.selection import FaultTarget
from kbatch.simulator.providers import aimlapi, aimlapi_catalogue, aimlapi_records
from kbatch.simulator.providers.apiframe import account, answers, jobs, price_list, submit, uploads
from kbatch.simulator.providers.purchase import job_of
from kbatch.simulator.state import Endpoint, SimulatedJob, SimulatedProvider, World, available


def _apiframe_fault(effect: str, world: World, _call: SimulatedRequest, target: FaultTarget, now: float) -> Reply:
    if effect == "401":
        return answers.error(401, "Invalid API key")
    if effect in ("402", "no-credits"):
        left = available(world, APIFRAME)
        return answers.error(402, TEXTS["402"], creditsRequired=left + 1, creditsAvailable=left)
    if effect == "404" and target is FaultTarget.POLL:
        return answers.error(404, "Job not found")
    if effect == "429":
        return answers.too_many(world, TEXTS["429"])
    if effect == "429-date":
        return answers.error(429, TEXTS["429"], {"retry-after": later(world, now)})
    if effect == "moderation":
        return answers.error(400, TEXTS["moderation"])
    if effect == "502-json":
        return answers.error(502, "Upstream CDN upload failed")
    return answers.error(int(effect), TEXTS[effect])


def _aimlapi_fault(effect: str, _world: World, call: SimulatedRequest, _target: FaultTarget, now: float) -> Reply:
    if effect == "401":
        return aimlapi.old_error(401, "Unauthorized", call.path, now)
    if effect in ("402", "no-credits"):
        return aimlapi.out_of_credits(call.path, now)
    if effect == "404":
        return aimlapi.old_error(404, "Inference not found", call.path, now)
    if effect in ("429", "429-date"):
        return aimlapi.old_error(429, TEXTS["429"], call.path, now)
    if effect == "moderation":
        return aimlapi.error(400, TEXTS["moderation"], call.path, now)
    return aimlapi.error(int(effect), TEXTS[effect], call.path, now)


def _aimlapi_bent(effect: str, call: SimulatedRequest, reply: Reply) -> Reply:
    if effect in aimlapi_catalogue.EFFECTS:
        return aimlapi_catalogue.bend(effect, call)
    return aimlapi_records.bend(effect, reply) if effect in aimlapi_records.EFFECTS else reply


def _apiframe_too_many(world: World, _call: SimulatedRequest, wait_s: int, _now: float) -> Reply:
    return answers.too_many(world, "Too many requests", wait_s)


def _aimlapi_too_many(_world: World, call: SimulatedRequest, _wait_s: int, now: float) -> Reply:
    return aimlapi.old_error(429, "Too many requests", call.path, now)


def _apiframe_remembered(world: World, body: Mapping[str, Any], now: float) -> SimulatedJob | None:
    if submit.complaints_about(body, world.offers):
        return None
    return job_of(world, submit.purchase_of(world, body, None, now), frozenset(), now)


def _aimlapi_remembered(world: World, body: Mapping[str, Any], now: float) -> SimulatedJob | None:
    if aimlapi.complaints_about(body, world.offers):
        return None
    return job_of(world, aimlapi.purchase_of(world, body, now), frozenset(), now)


_AIMLAPI_GENERATION = {
    "POST": Endpoint(handle=aimlapi.submit, target=FaultTarget.SUBMIT),
    "GET": Endpoint(handle=aimlapi.poll, target=FaultTarget.POLL),
}

PACKAGED = (
    SimulatedProvider(
        name=APIFRAME,
        credits=100_000,
        endpoints={
            "/v2/videos/generate": {"POST": Endpoint(handle=submit.submit, target=FaultTarget.SUBMIT)},
            "/v2/jobs": {"GET": Endpoint(handle=jobs.list_jobs, target=FaultTarget.LIST)},
            "/v2/jobs/": {"GET": Endpoint(handle=jobs.poll, target=FaultTarget.POLL)},
            "/v2/me": {"GET": Endpoint(handle=account.show_account, target=FaultTarget.ACCOUNT)},
            "/v2/models": {"GET": Endpoint(handle=price_list.list_models, keyed=False, target=FaultTarget.MODELS)},
            "/v2/uploads": {"POST": Endpoint(handle=uploads.upload, target=FaultTarget.UPLOAD)},
        },
        refuse_key=answers.refuse_key,
        job_at=jobs.job_at,
        restore_job=_apiframe_remembered,
        rate_owner=answers.rate_owner,
        too_many=_apiframe_too_many,
        fault=_apiframe_fault,
    ),
    SimulatedProvider(
        name=AIMLAPI,
        credits=2_000_000_000,
        endpoints={
            aimlapi.PATH: _AIMLAPI_GENERATION,
            aimlapi.NEWER_PATH: _AIMLAPI_GENERATION,
            aimlapi_records.LOGS: {"GET": Endpoint(handle=aimlapi.show_logs, target=FaultTarget.LOG)},
            aimlapi_records.TRANSACTIONS: {
                "GET": Endpoint(handle=aimlapi.show_transactions, target=FaultTarget.LEDGER)
            },
            "/v2/billing": {"GET": Endpoint(handle=aimlapi.show_balance, target=FaultTarget.ACCOUNT)},
            aimlapi_catalogue.PATH: {
                "GET": Endpoint(handle=aimlapi_catalogue.list_models, keyed=False, target=FaultTarget.MODELS)
            },
        },
        refuse_key=aimlapi.refuse_key,
        job_at=aimlapi.job_at,
        holds=True,
        accepted=200,
        job_id=aimlapi.job_id,
        restore_job=_aimlapi_remembered,
        too_many=_aimlapi_too_many,
        fault=_aimlapi_fault,
        bend=_aimlapi_bent,
    ),
)
