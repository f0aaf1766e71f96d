"""Matches jobs to purchases of earlier versions, which kept the carriage returns of CRLF files in texts.

A job's texts have line feeds only. A receipt whose request has carriage returns was bought by an earlier version; a job
that differs from it in nothing else is that purchase. The job then keeps the purchased fingerprint and texts, so that
nothing is bought again and a resend is byte-identical.

Rules it keeps: equal hashes prove a match, not similarity; a job that has a paid receipt of its own keeps it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kbatch.manifest.chains import in_order
from kbatch.manifest.drafts import Frame
from kbatch.models.body import bind_frames, body_of, frame_token, parameters_of
from kbatch.models.fingerprint import canonical, fingerprint
from kbatch.models.request import Input
from kbatch.planner.jobs import Job
from kbatch.receipts.receipt import Receipt, ReceiptState, without_queries

Renders = Mapping[str, Receipt]


def as_bought(jobs: tuple[Job, ...], renders: Renders) -> tuple[Job, ...]:
    """Return the jobs; those bought with carriage returns get the texts and fingerprints of their purchases."""
    if all(_is_bought(job, renders) for job in jobs):
        return jobs
    older = _with_returns(renders)
    if not older:
        return jobs
    by_address = {job.address: job for job in jobs}
    needs = {job.address: tuple(need for need in job.upstream if need in by_address) for job in jobs}
    found: dict[str, Job] = {}
    for address in in_order(needs)[0]:
        job = _on(by_address[address], found)
        if not _is_bought(job, renders):
            job = _recognised(job, older)
        if job is not by_address[address]:
            found[address] = job
    return tuple(found.get(job.address, job) for job in jobs)


def _is_bought(job: Job, renders: Renders) -> bool:
    receipt = renders.get(job.fingerprint)
    return receipt is not None and receipt.state is not ReceiptState.FAILED


def _with_returns(renders: Renders) -> Mapping[bytes, Sequence[tuple[str, Receipt]]]:
    """Return the receipts whose request has a carriage return, by their request with line feeds instead."""
    older: dict[bytes, list[tuple[str, Receipt]]] = defaultdict(list)
    for key, receipt in renders.items():
        if receipt.state is not ReceiptState.FAILED and _has_return(receipt.request):
            older[_likeness(receipt.provider, receipt.request)].append((key, receipt))
    return older


def _has_return(value: object) -> bool:
    if isinstance(value, str):
        return "\r" in value or "\\r" in value
    if isinstance(value, Mapping):
        return any(map(_has_return, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_return, value))


def _likeness(provider: str, request: Mapping[str, Any]) -> bytes:
    return canonical([provider, without_queries(_plain(request))])


def _plain(value: Any) -> Any:
    """Return a JSON value with every line end as a line feed, also inside JSON texts such as `multi_prompt`."""
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        is_json = text.startswith(("[", "{")) and "\\r" in text
        return text.replace("\\r\\n", "\\n").replace("\\r", "\\n") if is_json else text
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _recognised(job: Job, older: Mapping[bytes, Sequence[tuple[str, Receipt]]]) -> Job:
    request = job.request
    for key, receipt in older.get(_likeness(job.provider, request), ()):
        bought = _texts_of(request, receipt.request)
        if fingerprint(job.provider, job.model, bought, job.draft.take, job.card) == key:
            draft = replace(job.draft, prompt=bought.get("prompt"))
            return replace(job, fingerprint=key, draft=draft, params=parameters_of(job.card, bought))
    return job


def _texts_of(value: Any, bought: Any) -> Any:
    """Return a request with the texts of `bought` where they differ only in line ends.

    URLs stay as they are, since receipts are stored without the queries of URLs.
    """
    if isinstance(value, str):
        return bought if isinstance(bought, str) and bought != value and _plain(bought) == value else value
    if isinstance(value, Mapping):
        return {name: _texts_of(item, bought.get(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts_of(item, other) for item, other in zip(value, bought, strict=True)]
    return value


def _on(job: Job, found: Mapping[str, Job]) -> Job:
    """Return a job with frame tokens bound to the purchased fingerprints of the jobs in `found`."""
    if not any(need in found for need in job.upstream):
        return job
    tokens = {part.token: _token(part, found) for part in job.inputs}
    prints = {old: new.split(":", 2)[2] for old, new in tokens.items() if new.startswith("frame:")}
    params = parameters_of(job.card, bind_frames(job.card, body_of(job.card, None, job.params), prints))
    request = body_of(job.card, job.draft.prompt, params)
    return replace(
        job,
        params=params,
        inputs=tuple(replace(part, token=tokens[part.token]) for part in job.inputs),
        fingerprint=fingerprint(job.provider, job.model, request, job.draft.take, job.card),
    )


def _token(part: Input, found: Mapping[str, Job]) -> str:
    image = part.image
    if not isinstance(image, Frame) or image.address not in found:
        return part.token
    return frame_token(image.which, found[image.address].fingerprint)
