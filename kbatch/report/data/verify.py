"""Compares files with receipts: missing, altered, incomplete, not as bought, and files without a receipt.

A missing clip of a job and a different file are differences. A clip without a job may be missing, as in a fresh clone.
A `delivered-wrong` clip agrees with its receipt, and is only mentioned.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from kbatch.media import mp4
from kbatch.models.cards import Catalog
from kbatch.models.expected_clip import ExpectedClip, expected_clip
from kbatch.receipts.join import records_of
from kbatch.receipts.lockfile.audit import is_outside
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.receipt import Media, Output, Receipt, ReceiptState
from kbatch.receipts.sidecar import ENDING as SIDECAR
from kbatch.report.data.format import count

_DELIVERED = (ReceiptState.DONE, ReceiptState.DELIVERED_WRONG)
_OWED = (ReceiptState.SUBMITTED, ReceiptState.RENDERED, ReceiptState.UNKNOWN)
_TOLERANCE_S = 0.05
_KEPT = "kept aside, another clip stands in its place; `kbatch run` brings it back"


class Finding(StrEnum):
    """The result of comparing a file with its receipt."""

    RIGHT = "right"
    MISSING = "missing"
    ALTERED = "altered"
    NOT_WHOLE = "not-whole"
    NOT_AS_RECORDED = "not-as-recorded"
    NOT_AS_BOUGHT = "not-as-bought"
    DELIVERED_WRONG = "delivered-wrong"
    UNREADABLE = "unreadable"
    OUTSIDE = "outside"
    STRAY = "stray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A clip that a receipt says lies at `path`, relative to the manifest; `wanted` when a job refers to it.

    `bought` is what its request buys, None where the model is not known here; `home` is where the receipt has the clip
    when `path` is only a further name of it.
    """

    path: str
    address: str
    fingerprint: str
    receipt: Receipt
    output: Output
    bought: ExpectedClip | None
    wanted: bool
    home: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file as it was found: its size in bytes, its SHA-256 where the size allows it to be the clip, what it holds."""

    size: int
    sha256: str | None = None
    media: mp4.ProbedMedia | mp4.NotWhole | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on one file, in words; `wrong` makes it a difference."""

    path: str
    finding: Finding
    words: str
    wrong: bool
    address: str = ""
    fingerprint: str | None = None


def expected_files(lockfile: Lockfile, jobs: Iterable[tuple[str, str]], catalog: Catalog) -> tuple[Expected, ...]:
    """Return every clip that the receipts name, by path; `jobs` are (address, fingerprint) of the manifest."""
    wanted: dict[str, str] = {}
    for address, fingerprint in jobs:
        wanted.setdefault(fingerprint, address)
    names: dict[str, list[tuple[str, str]]] = {}
    for index in (lockfile.jobs, *lockfile.profiles.values()):
        for address, entry in index.items():
            names.setdefault(entry.fingerprint, []).append((entry.path, address))
    found: dict[tuple[str, str], Expected] = {}
    for key, receipt in lockfile.renders.items():
        for record in records_of(receipt):
            if record.state not in _DELIVERED or record.output is None or not record.output.sha256:
                continue
            shown = (record.attempt, record.job_id) == (receipt.attempt, receipt.job_id)
            needed = shown and (key in wanted or key in names)
            places = names.get(key, []) if shown else []
            named = [name for path, name in places if path == record.output.path]
            address = named[0] if named else wanted.get(key) or receipt.address or key[:12]
            for path, name in ((record.output.path, address), *places):
                expected = Expected(
                    path=path,
                    address=name,
                    fingerprint=key,
                    receipt=record,
                    output=record.output,
                    bought=_bought(record, catalog),
                    wanted=needed,
                    home=None if path == record.output.path else record.output.path,
                )
                found.setdefault((path, record.output.sha256), expected)
    return tuple(sorted(found.values(), key=lambda expected: (expected.path, not expected.wanted)))


def owed(lockfile: Lockfile) -> int:
    """Return how many purchases have no clip yet, or may have none."""
    return sum(record.state in _OWED for receipt in lockfile.renders.values() for record in records_of(receipt))


def judge(expected: Sequence[Expected], seen: Seen | None, kept: Collection[str] = frozenset()) -> tuple[Verdict, ...]:
    """Return a verdict for each clip that should lie at one path, where this file was seen, or none.

    `kept` are the digests of clips that lie aside, where a run finds them.
    """
    here = [one for one in expected if seen is not None and seen.sha256 == one.output.sha256]
    wanted = [one for one in expected if one.wanted]
    verdicts = []
    for one in expected:
        if is_outside(one.path):
            verdicts.append(_verdict(one, Finding.OUTSIDE, "leads out of the manifest's folder, and is not read"))
        elif seen is not None and seen.trouble:
            verdicts.append(_verdict(one, Finding.UNREADABLE, seen.trouble))
        elif one in here and seen is not None:
            verdicts.append(_judge_clip(one, seen))
        elif seen is None or here or (wanted and not one.wanted):
            verdicts.append(_missing(one, replaced=seen is not None))
        elif one.output.sha256 in kept:
            verdicts.append(_verdict(one, Finding.MISSING, _KEPT))
        else:
            verdicts.append(_verdict(one, Finding.ALTERED, _altered(one, seen)))
    return tuple(verdicts)


def strays(paths: Iterable[str], known: Collection[str]) -> tuple[Verdict, ...]:
    """Return the files, relative to the manifest, that no receipt knows, sidecars of known clips aside."""
    names = {_name(path) for path in known}
    return tuple(_stray(path) for path in paths if names.isdisjoint((_name(path), _name(path.removesuffix(SIDECAR)))))


def _stray(path: str) -> Verdict:
    words = "no receipt knows this file"
    if path.endswith(".part"):
        words = "a download that has not ended; the next run goes on with it"
    elif "/.kept/" in path:
        words = "kept aside, and no receipt knows it"
    return Verdict(path=path, finding=Finding.STRAY, words=words, wrong=False)


def _name(path: str) -> str:
    return unicodedata.normalize("NFC", PurePosixPath(path).as_posix())


def _bought(record: Receipt, catalog: Catalog) -> ExpectedClip | None:
    card = catalog.find(record.provider, record.model)
    try:
        return expected_clip(card, record.request) if card is not None else None
    except (KeyError, TypeError):
        return None


def _verdict(one: Expected, finding: Finding, words: str, *, wrong: bool = True) -> Verdict:
    return Verdict(
        path=one.path, finding=finding, words=words, wrong=wrong, address=one.address, fingerprint=one.fingerprint
    )


def _missing(one: Expected, *, replaced: bool) -> Verdict:
    instead = "; another clip stands in its place" if replaced else ""
    if not one.wanted:
        words = f"paid, no job refers to it any more, not on this disk{instead}"
        return _verdict(one, Finding.MISSING, words, wrong=False)
    if one.home is not None:
        return _verdict(one, Finding.MISSING, f"not there{instead}; `kbatch run` puts it there from {one.home}")
    words = f"not on this disk{instead}; `kbatch pull` fetches it while the provider keeps it"
    return _verdict(one, Finding.MISSING, words)


def _altered(one: Expected, seen: Seen) -> str:
    if seen.size != one.output.bytes:
        return f"has {seen.size:,} bytes, its receipt says {one.output.bytes:,}"
    return "has the size of its receipt and another digest"


def _judge_clip(one: Expected, seen: Seen) -> Verdict:
    """Judge a file that is the clip of the receipt to the last byte."""
    if isinstance(seen.media, mp4.NotWhole):
        if one.receipt.state is ReceiptState.DELIVERED_WRONG:
            return _delivered_wrong(one, "")
        return _verdict(one, Finding.NOT_WHOLE, f"as it was delivered, and no whole clip: {seen.media.message}")
    if seen.media is None:
        return _verdict(one, Finding.RIGHT, "", wrong=False)
    differs = ", ".join(_media_differences(one.output.media, seen.media))
    if differs:
        return _verdict(one, Finding.NOT_AS_RECORDED, f"the receipt says {differs}")
    if one.bought is None:
        return _verdict(one, Finding.RIGHT, "", wrong=False)
    reasons = "; ".join(
        mp4.differences_from_purchase(
            seen.media, seconds=one.bought.duration_s, audio=one.bought.audio, ratio=one.bought.ratio
        )
    )
    if one.receipt.state is ReceiptState.DELIVERED_WRONG and not one.receipt.accepted_as_is:
        return _delivered_wrong(one, reasons)
    if reasons and not one.receipt.accepted_as_is:
        return _verdict(one, Finding.NOT_AS_BOUGHT, reasons)
    words = "accepted as it is" if one.receipt.accepted_as_is else ""
    return _verdict(one, Finding.RIGHT, words, wrong=False)


def _delivered_wrong(one: Expected, reasons: str) -> Verdict:
    if one.receipt.accepted_as_is:
        return _verdict(one, Finding.RIGHT, "accepted as it is", wrong=False)
    said = reasons or one.receipt.error_message
    words = f"as it was delivered: {said}; `--replace` buys it again, `kbatch accept` keeps it"
    return _verdict(one, Finding.DELIVERED_WRONG, words, wrong=False)


def _media_differences(recorded: Media, found: mp4.ProbedMedia) -> Iterator[str]:
    if recorded.duration is not None and abs(recorded.duration - found.duration) > _TOLERANCE_S:
        yield f"{recorded.duration:g} s where the file has {found.duration:g} s"
    for name in ("width", "height"):
        said, has = getattr(recorded, name), getattr(found, name)
        if said is not None and said != has:
            yield f"a {name} of {said} where the file has {has}"
    if recorded.audio is not None and recorded.audio != found.audio:
        yield "audio where the file has none" if recorded.audio else "no audio where the file has some"


def lines(verdicts: Sequence[Verdict], waiting: int) -> Iterator[str]:
    """Yield the lines for a person: the differences first, then other notes, then the count."""
    shown = [verdict for verdict in verdicts if verdict.finding is not Finding.RIGHT]
    for verdict in sorted(shown, key=lambda verdict: not verdict.wrong):
        address = f"{verdict.address}: " if verdict.address else ""
        yield f"{'!' if verdict.wrong else ' '} {verdict.finding.value:<15} {verdict.path}  {address}{verdict.words}"
    clips = [verdict for verdict in verdicts if verdict.finding is not Finding.STRAY]
    right = sum(verdict.finding is Finding.RIGHT for verdict in clips)
    wrong = sum(verdict.wrong for verdict in clips)
    later = f", {count(waiting, 'purchase')} without a clip yet" if waiting else ""
    yield f"{right:,} of {count(len(clips), 'clip')} right{f', {wrong:,} not' if wrong else ''}{later}"


def as_json(verdicts: Sequence[Verdict], waiting: int) -> Mapping[str, Any]:
    """Return the verdicts as plain JSON."""
    counts = {finding.value: sum(one.finding is finding for one in verdicts) for finding in Finding}
    return {
        "counts": counts,
        "wrong": sum(one.wrong for one in verdicts),
        "owed": waiting,
        "files": [
            {
                "path": one.path,
                "finding": one.finding.value,
                "wrong": one.wrong,
                "address": one.address or None,
                "fingerprint": one.fingerprint,
                "words": one.words,
            }
            for one in verdicts
        ],
    }
