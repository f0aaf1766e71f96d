"""A report's charts for its page: where the credits went, from several sides, and the timeline of each session."""

from typing import Any

from kbatch.report.data.accounts import Account, Report
from kbatch.report.data.format import count, span
from kbatch.report.data.shares import slices
from kbatch.report.html.charts import Session, sessions
from kbatch.report.html.pages import chart, charts_by_key
from kbatch.report.markdown.run_markdown import STATE_WORDS, took

_MOST_SESSIONS = 6
_LANE = 14


def spending(report: Report) -> list[dict[str, Any]]:
    """Return the charts of each provider, with how its charges compare to the quotes."""
    rows = (*report.rows, *report.others)
    sides = {side: slices(rows, side) for side in ("model", "shot", "label", "axis")}
    found = []
    for account in report.accounts:
        mine = {side: [part for part in parts if part.provider == account.provider] for side, parts in sides.items()}
        if mine["model"]:
            charts = [chart("by model and variant", mine["model"]), chart("by shot", mine["shot"])]
            charts += charts_by_key((*mine["label"], *mine["axis"]))
            words = _settlement_words(account)
            found.append({"provider": account.provider, "unit": account.unit, "settlement": words, "charts": charts})
    return found


def _settlement_words(account: Account) -> str:
    settlement = account.settlement
    if settlement is None:
        return ""
    parts = [f"planned {settlement.planned:,}", f"reported {settlement.reported:,}"]
    parts += [f"refunded {settlement.refunded:,}"] if settlement.refunded else []
    parts += [f"unexplained {settlement.unexplained:,}"] if settlement.unexplained else []
    parts += [f"the charge of {count(settlement.unreported, 'job')} not known"] if settlement.unreported else []
    return ", ".join(parts)


def timelines(report: Report) -> tuple[list[dict[str, Any]], str]:
    """Return the latest sessions as timelines, and words for those that are left out."""
    times = sessions((*report.rows, *report.others))
    hidden = len(times) - _MOST_SESSIONS
    more = f"and {count(hidden, 'earlier session')}" if hidden > 0 else ""
    return [_session(session) for session in times[:_MOST_SESSIONS]], more


def _session(session: Session) -> dict[str, Any]:
    seconds = round(session.seconds)
    day = f"{session.began.day} {session.began:%B %Y, %H:%M:%S}"
    words = f"{day}–{session.ended:%H:%M:%S} UTC, {count(len(session.spans), 'render')} in {span(seconds, seconds)}"
    words += f", up to {session.lanes} at once" if session.lanes > 1 else ""
    return {
        "words": words,
        "label": f"Timeline: {words}",
        "height": session.lanes * _LANE + 6,
        "spans": [
            {
                "state": each.row.state.value,
                "start": each.start,
                "width": each.width,
                "top": each.lane * _LANE + 5,
                "words": f"{each.row.address}: {STATE_WORDS[each.row.state]}, {took(each.row)}",
            }
            for each in session.spans
        ],
        "ticks": [f"{session.began + (session.ended - session.began) * quarter / 4:%H:%M:%S}" for quarter in range(5)],
    }
