"""An explanation in words: short lines under headings, the request alone unbroken, so that it can be copied."""

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from kbatch.errors import Mark
from kbatch.models.fingerprint import PREFIX
from kbatch.report.data.explain import OUTSIDE, Explanation
from kbatch.report.data.format import amount, one_line, span
from kbatch.report.data.value_origins import Use, Value

_LONGEST_VALUE = 400
_SHOWN_ABOVE = ("prompt", "output")


def lines(explained: Explanation, *, width: int) -> Iterator[str]:
    """Yield the lines; all but those of the request fit `width` columns where words allow it."""
    yield from _head(explained, width)
    yield from ("", "Request")
    body = json.dumps(explained.request, indent=2, ensure_ascii=False)
    yield from (f"  {line}" for line in body.splitlines())
    if explained.pictures:
        yield from ("", "Pictures")
        for picture in explained.pictures:
            yield from _item(f"{picture.parameter}  {picture.token}", width, 2)
            yield from _item(picture.words, width, 4)
            if picture.sent != picture.token:
                yield from _item(f"sent as {picture.sent}", width, 4)
    yield from ("", "Where the values come from")
    for value in explained.values:
        yield from _value(value, width)
    if explained.dropped:
        model = explained.entry.job.model
        yield from ("", f"Left out, since {model} has no such parameter")
        for value in explained.dropped:
            yield from _value(value, width)
    yield from _price(explained, width)
    yield from _fingerprint(explained, width)
    yield from _needs(explained, width)


def _head(explained: Explanation, width: int) -> Iterator[str]:
    entry, job = explained.entry, explained.entry.job
    yield job.address
    price = amount(entry.credits, job.quote.unit)
    held = f", {amount(entry.held, job.quote.unit)} held" if entry.held != 0 else ""
    yield from _item(f"{entry.action.value}, {price}{held}: {entry.words}", width, 2)
    audio = "with audio" if job.clip.audio else "without audio"
    time = f"usually rendered in {span(*job.typical_s)}"
    yield from _item(f"{job.provider} {job.model}, {job.clip.duration_s} s {audio}, {time}", width, 2)
    yield from _item(f"to {job.draft.output}", width, 2)
    if explained.endpoint is not None:
        yield from _item(f"bought at the provider's endpoint `{explained.endpoint}`", width, 2)
    receipt = explained.receipt
    if receipt is not None:
        number = f", job {receipt.job_id}" if receipt.job_id else ""
        when = f", submitted {receipt.submitted_at}" if receipt.submitted_at else ""
        yield from _item(f"on record: {receipt.state.label}{number}{when}", width, 2)


def _value(value: Value, width: int) -> Iterator[str]:
    shown = "" if value.name in _SHOWN_ABOVE else _words(value.value)
    where = _where(value.what, value.mark)
    yield from _pair(f"{value.name}  {shown}".rstrip(), where, width, 2)
    if value.file:
        yield from _item(f"the text of {value.file}", width, 6)
    if value.template:
        yield from _item(one_line(value.template, _LONGEST_VALUE), width, 6)
    for use in value.uses:
        yield from _use(use, width)


def _use(use: Use, width: int) -> Iterator[str]:
    shown = use.name if use.value is None else f"{use.name} = {_words(use.value)}"
    yield from _pair(shown, _where(use.what, use.mark), width, 8)


def _where(what: str, mark: Mark | None) -> str:
    return what if mark is None else f"{mark.file}:{mark.line}, {what}"


def _words(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return one_line(text, _LONGEST_VALUE)


def _price(explained: Explanation, width: int) -> Iterator[str]:
    yield from ("", "Price")
    mark = explained.price_mark
    for part in explained.price:
        yield from _item(part, width, 2)
    if mark is not None:
        yield f"  {mark.file}:{mark.line}"
    for found in explained.savings:
        default, cheaper = _words(found.default), _words(found.cheaper)
        words = f"{found.parameter} is {default} by default; {cheaper} would save {found.saves:,}"
        yield from _item(words, width, 2)


def _fingerprint(explained: Explanation, width: int) -> Iterator[str]:
    job = explained.entry.job
    take = f", take {job.draft.take}" if job.draft.take > 1 else ""
    yield from ("", "Fingerprint", f"  {job.fingerprint}")
    inside = f"{PREFIX.decode().strip()}, {job.provider}, {job.model}, the request above{take}"
    yield from _item(f"made of {inside}; pictures by their content, frames by the job that makes them", width, 2)
    yield from _item(f"not made of {'; '.join(OUTSIDE)}", width, 2)


def _needs(explained: Explanation, width: int) -> Iterator[str]:
    if explained.upstream:
        yield from ("", "Needs")
        for up in explained.upstream:
            yield from _item(f"{up.address}  {up.action.value}: {up.reason}", width, 2)


# laying out


def _pair(left: str, right: str, width: int, indent: int) -> Iterator[str]:
    """Yield two texts on one line, the right one from the middle on, or below each other where they do not fit."""
    middle = max(width // 2, indent + len(left) + 2)
    if middle + len(right) <= width:
        yield " " * indent + left.ljust(middle - indent) + right
    elif indent + len(left) + 2 + len(right) <= width:
        yield " " * indent + left + (" " * (width - indent - len(left) - len(right))) + right
    else:
        yield from _item(left, width, indent)
        yield from _item(right, width, indent + 2)


def _item(text: str, width: int, indent: int) -> Iterator[str]:
    """Yield a text in lines of at most `width`, the further ones indented more; long words such as paths stay whole."""
    first, further = " " * indent, " " * (indent + 2)
    yield from wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
