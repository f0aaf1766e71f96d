"""The user's folder of model cards: read, checked, and laid over the packaged ones.

Only flags, the environment and a caller of the API name the folder. A manifest cannot, and a folder that lies
beside one is not looked at: it may come from a stranger, who must not lower a price.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kbatch.errors import Invalid, Mark, Problem
from kbatch.manifest.schema.validate import Validator, strict_validator
from kbatch.models.cards import Catalog
from kbatch.models.own.own_cards import BAD_CARD, OwnCard, own_cards, with_own
from kbatch.providers.endpoints import seller_of
from kbatch.providers.registry import NAMES, catalog_of, full_catalog, provider_of
from kbatch.storage import cards_in, packaged


@cache
def card_form() -> Validator:
    """Return the validator of model cards."""
    return strict_validator(json.loads(packaged("model-card.schema.json")))


def catalog_with(names: Iterable[str], folder: Path | None) -> Catalog:
    """Return the cards of the providers of these names, the user's among them; Invalid with all that is wrong."""
    return _with(catalog_of(names), folder)


def full_catalog_with(folder: Path | None) -> Catalog:
    """Return the cards of all providers, the user's among them; Invalid with all that is wrong with those."""
    return _with(full_catalog(), folder)


def _with(catalog: Catalog, folder: Path | None) -> Catalog:
    if folder is None:
        return catalog
    files, problems = _read(folder)
    sellers = {name: seller_of(provider_of(name)) for name in NAMES if name not in catalog.unusable}
    cards, wrong = own_cards(files, card_form(), sellers)
    if problems or wrong:
        raise Invalid([*problems, *wrong])
    return with_own(catalog, cards)


def _read(folder: Path) -> tuple[list[OwnCard], list[Problem]]:
    files, problems = [], []
    try:
        for path, data in cards_in(folder):
            file = str(folder / path)
            if isinstance(data, bytes):
                files.append(OwnCard(path=path, file=file, data=data))
            else:
                mark, why = Mark(file=file, line=1, column=1), data.strerror or str(data)
                problems.append(Problem(code=BAD_CARD, message=f"the card cannot be read: {why}", mark=mark))
    except OSError as error:
        message = f"the folder of cards `{folder}` cannot be read: `{error.filename}`: {error.strerror}"
        problems.append(
            Problem(code=BAD_CARD, message=message, hint="`--models` names a folder of `<provider>/<model>.json`")
        )
    return files, problems
