"""The manifest's schema as editors get it: the packaged file, or one with the models of installed plug-ins."""

from kbatch.models.editor_schema import manifest_schema, schema_text
from kbatch.providers.registry import PACKAGED, full_catalog
from kbatch.storage import packaged

NAME = "manifest.schema.json"


def editor_schema_file() -> bytes:
    """Return the file's bytes; its form is the packaged one's."""
    catalog = full_catalog()
    if PACKAGED.keys() >= set(catalog.providers):
        return packaged(NAME)
    return schema_text(manifest_schema(catalog.cards)).encode()
