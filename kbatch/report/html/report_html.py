"""A report as one HTML page: a contact sheet with playing clips, filters, where the credits went, and when.

The page names its clips relative to itself; posters are inside it.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from kbatch.receipts.receipt import OUTCOME_UNKNOWN, describe_remaining_charge
from kbatch.report.data.accounts import Account, Report, count_states, jobs_of
from kbatch.report.data.format import count, verdict
from kbatch.report.data.rows import ReportRow, RowState
from kbatch.report.data.sums import dollars
from kbatch.report.html.pages import Parts, attributes_of, filters_of, render_page
from kbatch.report.html.report_charts import spending, timelines
from kbatch.report.markdown.run_markdown import ROLE_WORDS, STATE_WORDS, took

_PLACEHOLDER = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 9'%3E"
    "%3Crect width='16' height='9' fill='%23222529'/%3E%3Cpath d='M6.8 3v3l2.6-1.5z' fill='%237d838c'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownClip:
    """A clip as a page refers to it: its URL relative to the page, and its first frame as a JPEG, if there is one."""

    href: str
    poster: bytes | None = None

    @property
    def shown(self) -> str:
        """The poster as a data URI; a plain drawing when there is none."""
        return f"data:image/jpeg;base64,{b64encode(self.poster).decode()}" if self.poster else _PLACEHOLDER


def as_html(report: Report, clips: Mapping[str, ShownClip], parts: Parts) -> str:
    """Return the report as a page; `clips` are by output path, a clip that is not in it gets a placeholder."""
    rows = jobs_of(report)
    done = sum(row.state is RowState.DONE for row in rows)
    shown, more = timelines(report)
    ended = f": {verdict(report.outcome.exit_code)}" if report.outcome else ""
    page = {
        "kicker": f"kbatch {'run' if report.outcome else 'report'}{ended}",
        "title": report.title,
        "name": report.name,
        "profile": report.profile,
        "made_at": report.made_at,
        "made_words": f"{_clock(report.made_at)} UTC",
        "simulated": report.simulated,
        "warnings": _warnings(report),
        "jobs": len(rows),
        "done": done,
        "accounts": [_account(account) for account in report.accounts],
        "states": _states(count_states(rows)),
        "attention": [_attention(row) for row in rows if row.state not in (RowState.DONE, RowState.NOT_BOUGHT)][:50],
        "charts": spending(report),
        "sessions": shown,
        "more_sessions": more,
        "filters": filters_of(rows, {row.state.value: STATE_WORDS[row.state] for row in rows}, "State"),
        "shots": [_shot(name, list(each), clips) for name, each in groupby(rows, key=lambda row: row.shot)],
        "others": [_other(row) for row in report.others],
        "things": "clips",
        "thing": "clip",
        "foot": f"Made by kbatch from {report.name} and its lockfile. Credits are each provider's own.",
    }
    return render_page("report.html", page, parts)


def _warnings(report: Report) -> list[str]:
    said = [report.stopped] if report.stopped else []
    if report.outcome:
        said += [*report.outcome.stopped, *report.outcome.surprises, *report.outcome.problems]
    return [*said, *report.notes][:12]


def _account(account: Account) -> dict[str, Any]:
    left = None if account.budget is None else account.budget - account.spent - account.held
    return {
        "provider": account.provider,
        "unit": account.unit,
        "spent": account.spent,
        "usd": dollars(account.usd_per_credit, account.spent),
        "held": account.held,
        "budget": account.budget,
        "left": left,
    }


def _states(counts: Mapping[RowState, int]) -> list[dict[str, Any]]:
    return [
        {"state": state.value, "words": STATE_WORDS[state], "jobs": number}
        for state, number in counts.items()
        if state is not RowState.DONE
    ]


def _attention(row: ReportRow) -> dict[str, str]:
    said = row.error or row.reason
    return {"state": row.state.value, "words": STATE_WORDS[row.state], "address": row.address, "said": said}


def _clock(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y, %H:%M}"


def _shot(name: str, rows: Sequence[ReportRow], clips: Mapping[str, ShownClip]) -> dict[str, Any]:
    spent = sum(row.spent or 0 for row in rows)
    requests: dict[str, list[ReportRow]] = {}
    for row in rows:
        requests.setdefault(row.request, []).append(row)
    return {
        "name": name,
        "words": f"{count(len(rows), 'clip')}, {spent:,} credits",
        "requests": [_request(takes, clips) for takes in requests.values()],
    }


def _request(rows: Sequence[ReportRow], clips: Mapping[str, ShownClip]) -> dict[str, Any]:
    shared = len(rows) > 1 and len({row.prompt for row in rows}) == 1
    takes = [_take(row, clips, alone=len(rows) == 1, own_prompt=not shared) for row in rows]
    return {
        "axes": [{"name": name, "value": value} for name, value in rows[0].axes],
        "prompt": rows[0].prompt if shared else None,
        "takes": takes,
        "together": sum(take["clip"] is not None for take in takes) > 1,
    }


def _take(row: ReportRow, clips: Mapping[str, ShownClip], *, alone: bool, own_prompt: bool) -> dict[str, Any]:
    clip = clips.get(row.output) if row.here else None
    return {
        **attributes_of(row),
        "state": row.state.value,
        "state_words": STATE_WORDS[row.state],
        "credits": row.spent,
        "shape": _shape(row),
        "clip": {"href": clip.href, "poster": clip.shown} if clip else None,
        "missing": _missing(row),
        "number": None if alone and row.take == 1 else row.take,
        "money": _money(row),
        "said": _said(row),
        "prompt": row.prompt if own_prompt else None,
        "facts": list(_facts(row)),
    }


_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", re.ASCII)


def _shape(row: ReportRow) -> str:
    width, height = row.media.width, row.media.height
    if not width or not height:
        asked = (_RATIO.fullmatch(value) for value in row.params.values() if isinstance(value, str))
        sides = next(filter(None, asked), None)
        if sides is None:
            return "wide"
        width, height = int(sides[1]), int(sides[2])
    return "wide" if width > height else "square" if width == height else "tall"


_MISSING = {
    RowState.NOT_BOUGHT: "not bought yet",
    RowState.SUBMITTED: "still rendering",
    RowState.RENDERED: "paid, not fetched yet: `kbatch pull` fetches it",
    RowState.UNKNOWN: f"{OUTCOME_UNKNOWN}: `kbatch reconcile`",
    RowState.BLOCKED: "blocked",
    RowState.SKIPPED: "not started",
}


def _missing(row: ReportRow) -> str:
    if row.state is RowState.FAILED:
        return f"failed, {describe_remaining_charge(row.reported)}"
    return _MISSING.get(row.state, "its file is not here: `kbatch pull` fetches it")


def _said(row: ReportRow) -> str:
    if row.shares:
        return f"the same request as `{row.shares}`, bought once"
    if row.state is RowState.DONE:
        return "" if row.reason.startswith("bought") and ";" not in row.reason else row.reason
    return row.error or row.reason


def _money(row: ReportRow) -> str:
    if row.held != 0:
        return f"{'?' if row.held is None else f'{row.held:,}'} held"
    if row.state in (RowState.NOT_BOUGHT, RowState.BLOCKED, RowState.SKIPPED) and row.spent == 0:
        return "price unknown" if row.planned is None else f"would cost {row.planned:,}"
    if row.spent is None or (row.state is RowState.FAILED and row.spent == 0):
        return "price unknown" if row.spent is None else "not charged"
    differs = row.reported is not None and row.planned not in (None, row.reported) and row.state is not RowState.FAILED
    return f"{count(row.spent, 'credit')}{f', planned {row.planned:,}' if differs else ''}"


def _facts(row: ReportRow) -> Iterator[tuple[str, str]]:
    media = row.media
    facts = (
        ("address", row.address),
        ("model", f"{row.provider} {row.name}"),
        ("job id", row.job_id),
        ("submitted", row.submitted_at),
        ("finished", row.finished_at),
        ("took", took(row) if row.finished_at else None),
        ("clip", row.output),
        ("delivered", _delivered(media.duration, media.width, media.height, media.audio)),
        ("sha256", row.sha256),
        ("earlier failures", str(row.failures) if row.failures else None),
    )
    yield from ((name, value) for name, value in facts if value)


def _delivered(duration: float | None, width: int | None, height: int | None, audio: bool | None) -> str | None:
    if duration is None and width is None:
        return None
    sound = "" if audio is None else ", with sound" if audio else ", silent"
    size = f", {width}×{height}" if width and height else ""
    return f"{duration:g} s{size}{sound}" if duration is not None else size.removeprefix(", ")


def _other(row: ReportRow) -> dict[str, Any]:
    return {
        "address": row.address,
        "because": ROLE_WORDS[row.role],
        "state": row.state.value,
        "state_words": STATE_WORDS[row.state],
        "model": row.name,
        "money": _money(row),
        "output": row.output,
    }
