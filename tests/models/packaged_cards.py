"""What the catalog's tests share: the cards of this checkout, drafts, and a reader of pictures that knows a few."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kbatch.errors import Complaint
from kbatch.manifest.drafts import Draft
from kbatch.manifest.images import ImageSource, InlineImage, LocalImage, RemoteImage
from kbatch.models.cards import Card, read_cards
from kbatch.models.request import Completed, complete

SCHEMAS = Path(__file__).parents[2] / "schemas"
FILES = tuple(
    (path.relative_to(SCHEMAS).as_posix(), path.read_bytes()) for path in sorted(SCHEMAS.glob("models/**/*.json"))
)
CATALOG = read_cards(FILES)
KLING_2_1 = next((name, data) for name, data in FILES if name.endswith("apiframe/kling-2.1.json"))
AIMLAPI = "kling-video/v2.1/pro/image-to-video"
DIGEST = "ab" * 32


def card_of(model: str) -> Card:
    """Return the one card of a model."""
    (card,) = CATALOG.named(model)
    return card


def draft(
    model: str, params: Mapping[str, Any], *, prompt: str | None = "a ridge", default_only: tuple[str, ...] = ()
) -> Draft:
    """Return a draft with these parameters and nothing else of interest."""
    return Draft(
        address="shot",
        shot="shot",
        take=1,
        axes=(),
        values={},
        labels={},
        provider=card_of(model).provider,
        model=model,
        prompt=prompt,
        params=params,
        default_only=frozenset(default_only),
        drop_unsupported=False,
        output="renders/shot.mp4",
        origins={},
    )


def pictures(text: str) -> ImageSource | Complaint:
    """Read a reference by its first letters, without any file."""
    if text.startswith("https:"):
        return RemoteImage(url=text)
    if text.startswith("data:"):
        return InlineImage(digest=DIGEST, media_type="image/png", data="AAAA")
    if text == "missing.png":
        return Complaint(code="file-not-found", field=(), message="there is no file `missing.png`")
    return LocalImage(path=text, digest=DIGEST, size=3, media_type="image/png", width=4, height=3)


def completed(model: str, params: Mapping[str, Any], **more: Any) -> Completed:
    """Complete a draft of these parameters by its model's card."""
    drop = more.pop("drop_unsupported", False)
    return complete(card_of(model), draft(model, params, **more), pictures, drop_unsupported=drop)


def request_of(model: str, params: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    """Return the request of parameters that nothing is wrong with."""
    done = completed(model, params, **more)
    assert done.complaints == ()
    assert done.request is not None
    return done.request
