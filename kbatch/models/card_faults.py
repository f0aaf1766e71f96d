"""What is wrong with a model card that comes from outside: its form, and what it says of parameters that it lacks.

The tests hold the packaged cards to the same.
"""

import json
from collections.abc import Iterator
from itertools import product

from kbatch.errors import Bug
from kbatch.manifest.schema.validate import Validator
from kbatch.models.cards import Card, read_cards
from kbatch.models.pricing import values_of, variant_of, variants

_MOST_WORDS = 200


def card_faults(name: str, data: bytes, form: Validator) -> Iterator[str]:
    """Yield what is wrong with the card at `<provider>/<model>.json`; `form` is the schema of cards.

    A form that is wrong is told alone: nothing else can be read from such a card.
    """
    try:
        written = json.loads(data)
    except (ValueError, RecursionError) as error:
        yield f"not JSON: {error}"
        return
    if not form.is_valid(written):
        for fault in form.iter_errors(written):
            yield f"`{'.'.join(map(str, fault.absolute_path)) or 'the card'}`: {fault.message[:_MOST_WORDS]}"
        return
    try:
        (card,) = read_cards([(name, data)]).cards
    except Bug as error:
        yield error.message
        return
    yield from _meant(card)


def _meant(card: Card) -> Iterator[str]:
    priced = [part.parameter for part in card.pricing.variant]
    named = {*priced, *card.images, card.duration, *(card.required - {"prompt"})}
    named |= {name for rule in card.rules for name in rule.involved} | ({card.audio} if card.audio else set())
    for name in sorted(named - set(card.parameters)):
        yield f"it speaks of `{name}`, which is none of its parameters"
    if named - set(card.parameters):
        return
    for name in dict.fromkeys((card.duration, *priced)):
        if "default" not in card.parameters[name]:
            yield f"`{name}` has no default, so that a request without it has no price"
    if card.parameters[card.duration]["type"] != "integer":
        yield f"`{card.duration}` is the clip's length and no integer"
    names = list(dict.fromkeys(priced))
    rows = product(*(values_of(card, name) for name in names))
    made = {variant_of(card, dict(zip(names, row, strict=True))) for row in rows}
    for name in sorted(made ^ set(variants(card))):
        yield f"the variant `{name}` {'has no price' if name in made else 'cannot be asked for'}"
