"""The endpoints of a provider that has several: a card chooses one for a purchase, whose receipt keeps it."""

from kbatch.models.cards import Card
from kbatch.models.own.card_faults import Seller
from kbatch.providers.base import Provider
from kbatch.receipts.shapes import Endpoint


def endpoints_of(provider: Provider) -> tuple[Endpoint, ...]:
    """Return the names of the provider's endpoints, the default one first; none where it has no choice."""
    names: tuple[Endpoint, ...] = getattr(provider, "endpoints", ())
    return names


def seller_of(provider: Provider) -> Seller:
    """Return what the cards of a provider are held to."""
    return Seller(unit=provider.unit, endpoints=endpoints_of(provider))


def endpoint_for(provider: Provider, card: Card) -> Endpoint | None:
    """Return the endpoint that purchases of a card's model use; None where the provider has no choice."""
    return _named(provider, card.endpoint.name if card.endpoint else None)


def at_endpoint(provider: Provider, recorded: Endpoint | None) -> Provider:
    """Return the provider whose submits and polls use the endpoint of a receipt, the default where it names none."""
    name = _named(provider, recorded)
    if name is None:
        return provider
    there: Provider = provider.at_endpoint(name)  # type: ignore[attr-defined]
    return there


def _named(provider: Provider, wanted: str | None) -> Endpoint | None:
    names = endpoints_of(provider)
    return next((name for name in names if name == wanted), names[0] if names else None)
