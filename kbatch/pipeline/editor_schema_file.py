"""The manifest's schema as editors get it: the packaged file, or one with the models of plug-ins and of the user."""

from pathlib import Path

from kbatch.models.editor_schema import manifest_schema, schema_text
from kbatch.pipeline.cards.own_cards import full_catalog_with
from kbatch.providers.registry import PACKAGED
from kbatch.storage import packaged

NAME = "manifest.schema.json"


def editor_schema_file(models: Path | None = None) -> bytes:
    """Return the file's bytes, `models` being the user's folder of cards; its form is the packaged one's."""
    catalog = full_catalog_with(models)
    if models is None and PACKAGED.keys() >= set(catalog.providers):
        return packaged(NAME)
    return schema_text(manifest_schema(catalog.cards)).encode()
