"""Parameters that a provider refused in this run: other jobs that send the same are not sent to hear the same again.

A refusal costs nothing, but a hundred of them cost time and may hold the key up. A parameter that the card calls
disputed blocks every job that sends what is disputed; any other one blocks the jobs that send the same value.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from kbatch.models.rules import Dispute
from kbatch.planner.jobs import Job


class _Refused(Struct, frozen=True, kw_only=True):
    """One refused parameter: its value as JSON, its dispute if it is one, and what to say of it."""

    parameter: str
    value: str
    dispute: Dispute | None
    reason: str

    def concerns(self, params: Mapping[str, Any]) -> bool:
        """Whether a request with these parameters would be refused for the same."""
        if self.dispute is not None:
            return self.dispute.concerns(params)
        return self.parameter in params and _text(params[self.parameter]) == self.value


@dataclass(slots=True)
class RefusedParameters:
    """The refusals of a run, by provider and model."""

    _found: dict[str, list[_Refused]] = field(default_factory=dict)

    def objection(self, job: Job) -> str | None:
        """Return why a job is not sent, None where nothing that it sends was refused."""
        found = self._found.get(job.card.key, ())
        return next((f"not sent: {one.reason}" for one in found if one.concerns(job.params)), None)

    def note(self, job: Job, fields: Sequence[str], provider: str) -> tuple[str, ...]:
        """Keep the parameters of a job that a refusal names; return what is new, in words."""
        known = self._found.setdefault(job.card.key, [])
        news = []
        for name in _named(job, fields):
            if not any(one.parameter == name and one.concerns(job.params) for one in known):
                dispute = next((one for one in job.card.disputed if one.parameter == name), None)
                dispute = dispute if dispute is not None and dispute.concerns(job.params) else None
                value = _text(job.params[name])
                known.append(
                    _Refused(parameter=name, value=value, dispute=dispute, reason=_reason(job, name, dispute, provider))
                )
                news.append(f"{known[-1].reason}; no other job of {job.model} that sends it is sent")
        return tuple(news)


def _named(job: Job, fields: Sequence[str]) -> Iterator[str]:
    """Yield the parameters of a job that paths lead to: the first step that is one (`multi_prompt.0.duration`)."""
    steps = ([step for step in re.split(r"[.\[\]]+", path) if step in job.params] for path in fields)
    yield from dict.fromkeys(found[0] for found in steps if found)


def _reason(job: Job, name: str, dispute: Dispute | None, provider: str) -> str:
    value = _text(job.params[name])
    shown = value if len(value) <= 40 else value[:39] + "…"
    instead = dispute.instead if dispute is not None else f"write another `{name}`, or leave it out"
    if name in job.defaulted:
        instead = f"its default is sent when nothing is written, so a card of your own must leave it out ({instead})"
    return f"{provider} refuses `{name}: {shown}` of {job.model}: {instead}"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
