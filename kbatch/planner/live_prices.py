"""Prices of a plan and the providers' public lists: exact quotes where a card has none, and what contradicts them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Refused
from kbatch.models.pricing import Quote
from kbatch.models.published.drift import LIVE, Priced, dated, quote_drift
from kbatch.models.published.price_list import Lists, ListUnread, PriceList
from kbatch.planner.actions import PlanEntry
from kbatch.planner.jobs import Job


def with_live_quotes(jobs: Sequence[Job], lists: Lists) -> tuple[Job, ...]:
    """Return the jobs; those whose card has no price have the exact one of the list, where it names one.

    A manifest's own price for such a model stays, and is held against the list as against a card.
    """
    known: dict[tuple[str, int], Quote] = {}  # jobs of one kind share their parameters

    def quoted(job: Job) -> Job:
        found = lists.get(job.provider)
        if job.quote.listed is not None or not isinstance(found, PriceList):
            return job
        key = job.card.key, id(job.params)
        if key not in known:
            known[key] = _live_quote(job, found)
        return replace(job, quote=known[key])

    return tuple([quoted(job) for job in jobs])


def _live_quote(job: Job, published: PriceList) -> Quote:
    asked, price = _priced(job), published.prices.get(job.model)
    exact = price.exact(asked.params, asked.seconds, asked.outputs) if price is not None else None
    if exact is None:
        return job.quote
    credits, rate = exact
    if job.quote.credits is not None:
        return replace(job.quote, listed=credits, lowers=job.quote.credits < credits)
    working = f"{rate.text}: {credits:,} {job.quote.unit}, rounded up ({published.source}, {published.asked_at})"
    return replace(job.quote, credits=credits, listed=credits, working=working, source=LIVE)


def published_of(entries: Iterable[PlanEntry], lists: Lists) -> dict[str, dict[str, str]]:
    """Return where the live quotes of a plan are from: by model the list's address and the hash of its prices."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries if lists else ():
        listed = lists.get(entry.job.provider)
        if entry.job.quote.source == LIVE and isinstance(listed, PriceList):
            found[entry.job.card.key] = {"source": listed.source, "sha256": listed.prices[entry.job.model].sha256}
    return dict(sorted(found.items()))


def asked_of(lists: Lists) -> dict[str, dict[str, str | None]]:
    """Return by provider which list was read, when, and its tag."""
    read = {name: found for name, found in sorted(lists.items()) if isinstance(found, PriceList)}
    return {name: {"source": one.source, "asked_at": one.asked_at, "etag": one.etag} for name, one in read.items()}


def models_of(entries: Iterable[PlanEntry]) -> dict[str, list[str]]:
    """Return the models that entries buy, by provider."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        found.setdefault(entry.job.provider, set()).add(entry.job.model)
    return {name: sorted(models) for name, models in found.items()}


def contradictions(entries: Iterable[PlanEntry], lists: Lists, *, trusted: bool) -> Iterator[tuple[str, bool]]:
    """Yield what the lists say against the quotes of these entries, each once, and whether it refuses the plan.

    A price of the manifest or of a card of the user's that is trusted is a word against the list, and only said.
    """
    said: set[str] = set()
    kinds: set[tuple[str, int, int]] = set()
    for entry in entries:
        job = entry.job
        found = lists.get(job.provider)
        kind = job.card.key, id(job.params), id(job.quote)
        if not isinstance(found, PriceList) or kind in kinds:
            continue
        kinds.add(kind)
        words = quote_drift(_priced(job), found)
        if words is not None and words not in said:
            said.add(words)
            yield words, not (trusted and job.quote.stated)


def silences(entries: Iterable[PlanEntry], lists: Lists, *, trusted: bool) -> Iterator[tuple[str, bool]]:
    """Yield what no list confirms about the prices of these entries, and whether `--live` refuses the plan for it."""
    told: set[str] = set()
    for entry in entries:
        job, found = entry.job, lists.get(entry.job.provider)
        if isinstance(found, ListUnread):
            words = f"{found.source}: {found.message}"
        elif isinstance(found, PriceList) and job.model in found.unread:
            words = f"{found.source}: {job.card.key}: {found.unread[job.model]}"
        elif isinstance(found, PriceList) and job.quote.credits is not None and _names_none(found, job.model):
            words = f"{found.source} names no fixed price of it"
        else:
            continue
        words = f"{words}; the price of {job.card.key} is not confirmed ({dated(job.card)})"
        if words not in told:
            told.add(words)
            yield words, not (trusted and job.quote.stated)


def _names_none(found: PriceList, model: str) -> bool:
    return model in found.prices and found.prices[model].low is None


class Checking(Struct, frozen=True, kw_only=True):
    """How lists are held against a plan: `trusted` as `--trust-prices`, `strict` where silence refuses the plan too."""

    trusted: bool
    strict: bool


def check_lists(entries: Sequence[PlanEntry], lists: Lists, how: Checking, say: Callable[[str], None]) -> None:
    """Say what the lists say against the prices of these entries, and what they do not; Refused as the kind asks."""
    found = list(contradictions(entries, lists, trusted=how.trusted))
    for words, _ in found:
        say(f"the public price list disagrees: {words}")
    silent = list(silences(entries, lists, trusted=how.trusted))
    for words, _ in silent:
        say(f"a public price list confirms nothing: {words}")
    refusing = [words for words, refuses in found if refuses]
    if refusing:
        more = f" (and {len(refusing) - 1} more)" if len(refusing) > 1 else ""
        hint = "`kbatch models --diff` shows all; state the real price under `prices`, or take a newer card"
        if any(entry.job.quote.source == LIVE for entry in entries):
            hint = "plan anew with --live: what was agreed was another figure"
        raise Refused("price-drift", f"{refusing[0]}{more}: nothing was sent", hint=hint)
    unconfirmed = [words for words, refuses in silent if refuses]
    if unconfirmed and how.strict:
        raise Refused(
            "price-list-unread", f"--live: {unconfirmed[0]}", hint="without --live the cards' prices are taken"
        )


def _priced(job: Job) -> Priced:
    return Priced(card=job.card, params=job.params, seconds=job.clip.duration_s, quote=job.quote)
