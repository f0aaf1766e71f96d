"""Campaigns for previews: loaded from the text of a body, with receipts as a run would have left them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kbatch.pipeline.load import LoadedManifest, LoadOptions, load

Campaign = Callable[..., LoadedManifest]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """Return a function that loads a manifest from the text of its body."""

    def make(body: str, **options: object) -> LoadedManifest:
        path = tmp_path / "campaign.yaml"
        path.write_text(f"kbatch: 1\nname: test\nprovider: apiframe\n{body}", encoding="utf-8")
        return load(path, LoadOptions(**options))  # type: ignore[arg-type]

    return make
