"""A new model card is checked as every card of a user's folder is, and written where none is yet."""

from pathlib import Path

from msgspec import Struct

from kbatch.errors import Invalid, Problem, did_you_mean
from kbatch.models.cards import Card
from kbatch.models.own.new_card import NewCard, card_bytes
from kbatch.models.own.own_cards import OwnCard, own_cards
from kbatch.pipeline.cards.own_cards import card_form
from kbatch.providers.endpoints import seller_of
from kbatch.providers.registry import NAMES, catalog_of, provider_of
from kbatch.storage import write_new


class ProviderFacts(Struct, frozen=True, kw_only=True):
    """What a provider's packaged cards have in common; `body_keys` are the keys that parameters stand under."""

    publisher: str
    unit: str
    endpoints: tuple[str, ...]
    per_usd: int | None
    body_keys: tuple[str | None, ...]
    render_s: tuple[int, int]
    cards: tuple[Card, ...]

    def packaged(self, model: str) -> bool:
        """Whether there is a packaged card of a model."""
        return any(card.model == model for card in self.cards)


def facts_of(provider: str) -> ProviderFacts:
    """Return what is known of a provider; Invalid for a name that is none."""
    if provider not in NAMES:
        message, hint = f"there is no provider `{provider}`", did_you_mean(provider, NAMES)
        raise Invalid([Problem(code="unknown-provider", message=message, hint=hint)])
    cards = tuple(card for card in catalog_of((provider,)).cards if card.provider == provider)
    seller = seller_of(provider_of(provider))
    times = [(each.shortest_s, each.longest_s) for card in cards for each in card.typical]
    return ProviderFacts(
        publisher=cards[0].source.publisher,
        unit=seller.unit,
        endpoints=seller.endpoints,
        per_usd=next((card.pricing.per_usd for card in cards if card.pricing.per_usd), None),
        body_keys=tuple(dict.fromkeys(card.body_key for card in cards)),
        render_s=(min(low for low, _ in times), max(high for _, high in times)),
        cards=cards,
    )


def check_free(path: Path) -> None:
    """Raise Invalid where a card is already."""
    if path.exists() or path.is_symlink():
        raise _taken(path)


def write_card(folder: Path, card: NewCard) -> Path:
    """Write a card durably and return its path; Invalid with all that is wrong with it, and where one is already."""
    path, data = folder / card.path, card_bytes(card)
    sellers = {card.provider: seller_of(provider_of(card.provider))}
    _, problems = own_cards([OwnCard(path=card.path, file=str(path), data=data)], card_form(), sellers)
    if problems:
        raise Invalid(problems)
    try:
        write_new(path, data)
    except FileExistsError:
        raise _taken(path) from None
    return path


def _taken(path: Path) -> Invalid:
    hint = "edit it, or remove it first"
    return Invalid([Problem(code="already-there", message=f"`{path}` exists", hint=hint)])
