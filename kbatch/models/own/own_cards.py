"""Cards that a user brings beside the packaged ones, or in their place; pure.

They have the same form and rights as packaged cards but one: a price that no packaged card confirms is treated as a
price of the manifest's `prices` is, since a folder of cards may come with a pull request.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Mark, Problem, did_you_mean
from kbatch.manifest.schema.validate import Validator
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.models.cards import Card, Catalog, joined, read_cards
from kbatch.models.own.card_faults import CardFault, Seller, card_faults, seller_faults

BAD_CARD = "bad-card"
CARD_REPLACED = "card-replaced"
MEANINGS: Mapping[str, str] = {
    BAD_CARD: "a card of your own (`--models`) cannot be used",
    CARD_REPLACED: "a card of your own stands in the place of a packaged one",
}


class OwnCard(Struct, frozen=True, kw_only=True):
    """A file of a user's folder: its path in it, how messages call it, and its bytes."""

    path: str
    file: str
    data: bytes


def own_cards(
    files: Iterable[OwnCard], form: Validator, sellers: Mapping[str, Seller]
) -> tuple[tuple[Card, ...], tuple[Problem, ...]]:
    """Return the cards of these files and what is wrong with the rest; `sellers` are the providers here."""
    cards, problems = [], []
    for file in files:
        found = list(_problems(file, form, sellers))
        if found:
            problems += found
            continue
        (card,) = read_cards([(file.path, file.data)]).cards
        cards.append(replace(card, file=file.file, sha256=sha256(file.data).hexdigest()))
    return tuple(cards), tuple(problems)


def with_own(catalog: Catalog, own: Iterable[Card]) -> Catalog:
    """Return a catalog with a user's cards; one that replaces a packaged card knows it."""
    mine = {card.key: replace(card, replaces=catalog.by_key.get(card.key)) for card in own}
    kept = [card for card in catalog.cards if card.key not in mine]
    return joined([*kept, *mine.values()], catalog.unusable)


def _problems(file: OwnCard, form: Validator, sellers: Mapping[str, Seller]) -> Iterator[Problem]:
    try:
        written = json.loads(file.data)
    except json.JSONDecodeError as error:
        mark = Mark(file=file.file, line=error.lineno, column=error.colno)
        yield Problem(code=BAD_CARD, message=f"the card is not JSON: {error.msg}", mark=mark)
        return
    except (ValueError, RecursionError) as error:
        yield Problem(code=BAD_CARD, message=f"the card is not JSON: {error}", mark=_start(file))
        return
    document = read_document(file.data, file.file)
    if isinstance(document, tuple):  # JSON that kbatch reads no manifest from: a name twice, nested too deeply
        yield from document
        return
    faults = list(card_faults(file.path, file.data, form))
    for fault in faults:
        yield Problem(code=BAD_CARD, message=fault.message, mark=_mark(document, fault))
    if faults:
        return
    provider = written["provider"]
    if provider not in sellers:
        message, mark = f"there is no provider `{provider}` here", document.mark(("provider",))
        yield Problem(code=BAD_CARD, message=message, mark=mark, hint=did_you_mean(provider, sellers))
        return
    for fault in seller_faults(written, sellers[provider]):
        yield Problem(code=BAD_CARD, message=fault.message, mark=_mark(document, fault), hint=fault.hint)


def _mark(document: Document, fault: CardFault) -> Mark:
    return document.mark(fault.path, key=fault.on_key)


def _start(file: OwnCard) -> Mark:
    return Mark(file=file.file, line=1, column=1)
