"""Complaints about a request that only repeat a fault of one of its parts, which is reported already."""

from kbatch.errors import Complaint
from kbatch.manifest.faulty import ALL_PARAMS
from kbatch.models import problem_codes
from kbatch.models.cards import Card


def is_echo(card: Card, faulty: frozenset[str], complaint: Complaint) -> bool:
    """Whether a complaint needs a field of `faulty`, such as `prompt` or `params.mode`, to be known."""
    if complaint.field[:1] == ("prompt",):
        return "prompt" in faulty
    if complaint.field[:1] != ("params",):
        return False
    if f"params.{complaint.field[1]}" in faulty:
        return True
    needs = {name for rule in card.rules if rule.code == complaint.code for name in rule.involved}
    needs |= {card.ratio} if card.ratio and complaint.code == problem_codes.PICTURE_RATIO else set()
    if ALL_PARAMS in faulty:
        return bool(needs) or complaint.code == problem_codes.MISSING_PARAMETER
    return any(f"params.{name}" in faulty for name in needs)
