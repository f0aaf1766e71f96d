"""The OpenAPI 3.1 document of the simulator, precise enough that a fuzzer can hold the simulator to it.

What a request may hold comes from the same table that checks it (`offers`); what an answer holds is written here.
"""

from collections.abc import Mapping
from typing import Any

import response_shapes as shapes

from kbatch.simulator.clips.file_kinds import EXTENSIONS
from kbatch.simulator.exchange import AIMLAPI, APIFRAME
from kbatch.simulator.providers import aimlapi
from kbatch.simulator.providers.apiframe import answers, price_list, submit
from kbatch.simulator.providers.apiframe.webhooks import EVENTS
from kbatch.simulator.providers.fields import record
from kbatch.simulator.providers.offers import OFFERS, Offer, offers_of

Document = Mapping[str, Any]

_KEYED: Mapping[str, list[dict[str, list[str]]]] = {APIFRAME: [{"apiframeKey": []}], AIMLAPI: [{"aimlapiKey": []}]}
_WORDS = {
    200: "Done",
    201: "Stored",
    202: "Accepted",
    206: "A part of the file",
    307: "Elsewhere",
    400: "Invalid request",
    401: "No key, or an unknown one",
    402: "Credits do not suffice",
    403: "Forbidden, or out of credits",
    404: "Not found",
    405: "Method not allowed",
    409: "The idempotency key was used with another body",
    413: "Too large",
    416: "The range lies outside the file",
    429: "Too many requests",
    500: "Outage",
    502: "The host of files fails",
    503: "Outage",
}


def document() -> Document:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kbatch simulator",
            "version": "1",
            "description": "Apiframe v2 and the AI/ML API's Kling endpoints, pretended. Nothing here costs anything.",
        },
        "paths": {**_apiframe_paths(), **_aimlapi_paths(), **_media_paths(), **_own_paths()},
        "webhooks": {"jobEvent": {"post": _webhook()}},
        "components": {
            "securitySchemes": {
                "apiframeKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "aimlapiKey": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def apiframe_body(offer: Offer) -> Document:
    """Return the JSON Schema of a submit of one Apiframe model."""
    parameters = dict(record(offer.parameters).schema)
    if offer.model == "kling-2.1":
        parameters["not"] = {"required": ["end_image", "mode"], "properties": {"mode": {"const": "standard"}}}
    properties = {name: field.schema for name, field in submit.COMMON.items()}
    properties |= {"model": {"const": offer.model}, "klingParams": parameters}
    required = ["prompt", "model"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _apiframe_paths() -> Document:
    bodies = {"oneOf": [apiframe_body(offer) for offer in offers_of(APIFRAME)]}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": submit.KEY_LIMIT}}
    file = shapes.closed(file={"type": "string", "format": "binary"})
    form = {"schema": file, "encoding": {"file": {"contentType": ", ".join(EXTENSIONS)}}}
    query = [
        _query("status", {"type": "string", "enum": list(answers.STATUSES)}),
        _query("model", {"type": "string"}),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
        _query("cursor", {"type": "string"}),
        _query("scope", {"type": "string", "enum": ["user", "team"]}),
        _query("search", shapes.UUID),
        _query("include_models", {"type": "string", "enum": ["true", "false"]}),
    ]
    bad = shapes.APIFRAME_INVALID
    accepted = {202: shapes.ACCEPTED, 400: bad, 402: shapes.APIFRAME_BROKE, 409: shapes.APIFRAME_ERROR}
    found = {200: shapes.FULL_JOB, 400: bad, 404: shapes.APIFRAME_ERROR}
    listed = {200: shapes.JOBS, 400: bad, 403: shapes.APIFRAME_ERROR}
    stored = {201: shapes.UPLOADED, 400: bad, 502: shapes.APIFRAME_ERROR}
    modality = _query("modality", {"type": "string", "enum": list(price_list.MODALITIES)})
    models = {200: shapes.MODELS, 400: bad}
    return {
        "/v2/videos/generate": {
            "post": _operation("generateVideo", APIFRAME, accepted, [key], _json_body(bodies)),
        },
        "/v2/jobs/{id}": {"get": _operation("getJob", APIFRAME, found, [_path("id", shapes.UUID)])},
        "/v2/jobs": {"get": _operation("listJobs", APIFRAME, listed, query)},
        "/v2/me": {"get": _operation("getAccount", APIFRAME, {200: shapes.ACCOUNT})},
        "/v2/models": {"get": _operation("listModels", None, models, [modality])},
        "/v2/uploads": {
            "post": _operation(
                "uploadFile",
                APIFRAME,
                stored,
                body={"required": True, "content": {"multipart/form-data": form}},
            ),
        },
    }


def _webhook() -> Document:
    """Describe what Apiframe posts to a job's `webhookUrl`."""
    signature: Document = {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"}
    headers = [
        {"name": "X-Webhook-Event", "in": "header", "required": True, "schema": {"enum": list(EVENTS)}},
        {"name": "X-Webhook-Signature", "in": "header", "required": False, "schema": signature},
    ]
    body = _json_body(shapes.WEBHOOK)
    taken = {"200": {"description": "Taken"}}
    return {"operationId": "jobEvent", "parameters": headers, "requestBody": body, "responses": taken, "security": []}


def _aimlapi_paths() -> Document:
    offer = OFFERS[AIMLAPI, aimlapi.MODEL]
    trace = {"name": "X-Client-Request-Id", "in": "header", "schema": {"type": "string"}}  # a bad one is dropped
    job = _query("generation_id", {"type": "string", "minLength": 1}, required=True)
    bad = shapes.AIMLAPI_ERROR
    accepted, found = (
        {200: shapes.GENERATION, 400: bad},
        {200: shapes.GENERATED, 400: bad, 404: shapes.AIMLAPI_OLD_ERROR},
    )
    body = _json_body(record(offer.parameters).schema)
    return {
        aimlapi.PATH: {
            "post": _operation("generateKling", AIMLAPI, accepted, [trace], body),
            "get": _operation("getKling", AIMLAPI, found, [job]),
        },
        aimlapi.NEWER_PATH: {
            "post": _operation("generateVideoNewer", AIMLAPI, accepted, [trace], body),
            "get": _operation("getVideoNewer", AIMLAPI, found, [job]),
        },
        "/v2/logs": {"get": _operation("listLogs", AIMLAPI, {200: shapes.LOGS, 400: bad}, _log_queries())},
        "/v2/billing/transactions": {
            "get": _operation("listTransactions", AIMLAPI, {200: shapes.LEDGER, 400: bad}, _ledger_queries())
        },
        "/v2/billing": {"get": _operation("getBalance", AIMLAPI, {200: shapes.BALANCE})},
        "/v1/models": {"get": _operation("listCatalogue", None, {200: shapes.CATALOGUE}, _catalogue_queries())},
    }


_LIMIT: Document = {"type": "integer", "minimum": 1, "maximum": 100}


def _log_queries() -> list[Document]:
    return [
        _query("period", {"type": "string", "pattern": "^(1[0-9]|[1-9])[hd]$"}, required=True),
        _query("model", {"type": "string"}),
        _query("status", {"enum": ["succeeded", "failed"]}),
        _query("limit", _LIMIT),
        _query("offset", {"type": "integer", "minimum": 0, "maximum": 10**6}),
    ]


def _ledger_queries() -> list[Document]:
    moment = {"enum": ["2001-09-09T01:46:40Z", "2001-09-09T03:46:41+02:00"]}
    kinds = {"enum": shapes.ENTRY_TYPES}
    names = {"from": moment, "to": moment, "direction": {"enum": ["TOPUP", "CHARGE"]}, "type": kinds, "limit": _LIMIT}
    return [_query(name, schema) for name, schema in names.items()]


def _catalogue_queries() -> list[Document]:
    names = ("id", "type", "tags", "modalities", "input_modalities", "output_modalities", "capabilities", "include")
    return [_query(name, {"type": "string"}) for name in names]


def _media_paths() -> Document:
    name = _path("name", {"type": "string", "pattern": "^[A-Za-z0-9]+\\.mp4$"})
    upload = _path("id", shapes.UUID)
    file = _path("name", {"type": "string", "pattern": "^file\\.[a-z0-9]+$"})
    return {
        "/clips/{name}": {"get": _media_operation("getClip", [name], ("video/mp4",))},
        "/uploads/{id}/{name}": {"get": _media_operation("getUpload", [upload, file], tuple(EXTENSIONS))},
    }


def _own_paths() -> Document:
    return {"/__bill": {"get": _operation("getBill", None, {200: shapes.BILL})}}


def _operation(
    name: str,
    provider: str | None,
    answers: Mapping[int, Document],
    parameters: list[Document] | None = None,
    body: Document | None = None,
) -> Document:
    """Describe one operation; what a key, the rate and outages may answer is the same for every one of a provider."""
    common: dict[int, Document] = {}
    if provider == APIFRAME:
        common = dict.fromkeys((401, 403, 429, 500, 503), shapes.APIFRAME_ERROR)
    elif provider == AIMLAPI:
        new, old = shapes.AIMLAPI_ERROR, shapes.AIMLAPI_OLD_ERROR
        common = {401: old, 403: new, 429: old, 500: new, 503: new}
    responses = {str(code): _answer(code, shape) for code, shape in sorted({**common, **answers}.items())}
    operation: dict[str, Any] = {"operationId": name, "parameters": parameters or [], "responses": responses}
    operation["security"] = _KEYED[provider] if provider else []
    return operation if body is None else {**operation, "requestBody": body}


def _media_operation(name: str, parameters: list[Document], kinds: tuple[str, ...]) -> Document:
    file: Document = {"content": {kind: {} for kind in kinds}}
    gone: Document = {"content": {"text/plain": {}}}
    refused = {"content": {"application/json": {"schema": shapes.APIFRAME_ERROR}}}
    answers: Mapping[int, Document] = {200: file, 206: file, 400: refused, 404: gone, 416: {}}
    responses = {str(code): {"description": _WORDS[code], **content} for code, content in answers.items()}
    return {"operationId": name, "parameters": parameters, "responses": responses, "security": []}


def _answer(code: int, shape: Document) -> Document:
    headers: dict[str, Document] = {"Date": {"required": True, "schema": {"type": "string"}}}
    if code == 429:
        headers["Retry-After"] = {"schema": {"type": "string"}}
    return {"description": _WORDS[code], "headers": headers, "content": {"application/json": {"schema": shape}}}


def _json_body(schema: Document) -> Document:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _query(name: str, schema: Document, *, required: bool = False) -> Document:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _path(name: str, schema: Document) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": schema}


DOCUMENT = document()
