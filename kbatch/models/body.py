"""The request body: one layout per card; images are tokens in the fingerprinted body, URLs or data in the sent one.

A token is `sha256:<digest of the image>` or `frame:last:<upstream>`; an image URL is its own token. Only image
parameters are searched for tokens, so a prompt that looks like a token is not changed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kbatch.errors import Bug
from kbatch.models.cards import Card
from kbatch.models.fingerprint import canonical
from kbatch.models.image_paths import replaced

_DIGEST = "sha256:"
_FRAME = "frame:"


def body_of(card: Card, prompt: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a request body: `{prompt, model, <body_key>: {…}}`, or all at the top where the card has no key."""
    top: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    top["model"] = card.model
    return {**top, **params} if card.body_key is None else {**top, card.body_key: params}


def parameters_of(card: Card, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters inside a request body, without prompt and model."""
    if card.body_key is not None:
        inner: Mapping[str, Any] = request[card.body_key]
        return inner
    return {name: value for name, value in request.items() if name not in ("prompt", "model")}


def digest_token(digest: str) -> str:
    """Return the token of an image; `digest` is the SHA-256 of its bytes in hex."""
    return _DIGEST + digest


def frame_token(which: str, upstream: str) -> str:
    """Return the token of a clip's frame; `upstream` is a job's address, or its fingerprint once that is known."""
    return f"{_FRAME}{which}:{upstream}"


def bind_frames(card: Card, request: Mapping[str, Any], fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """Replace each upstream's address with its fingerprint; `fingerprints` is by token, a missing one is a Bug.

    `frame:last:hero[city=oslo]` becomes `frame:last:<fingerprint>`, as `frame_token("last", fingerprint)` makes it.
    """

    def bound(token: Any) -> Any:
        if not (isinstance(token, str) and token.startswith(_FRAME)):
            return token
        return frame_token(token.split(":", 2)[1], _replacement_of(fingerprints, token))

    return _replace_images(card, request, bound)


def publish(card: Card, request: Mapping[str, Any], replacements: Mapping[str, str]) -> bytes:
    """Return the exact bytes to send: `replacements` maps each token of `request` to a URL or data URI.

    A token without a replacement is a Bug: the provider would charge for a URL that it cannot fetch.
    """

    def sent(token: Any) -> Any:
        is_token = isinstance(token, str) and token.startswith((_DIGEST, _FRAME))
        return _replacement_of(replacements, token) if is_token else token

    return canonical(_replace_images(card, request, sent))


def _replacement_of(replacements: Mapping[str, str], token: str) -> str:
    if token not in replacements:
        raise Bug(f"no replacement for the picture {token}")
    return replacements[token]


def _replace_images(card: Card, request: Mapping[str, Any], replace: Callable[[Any], Any]) -> dict[str, Any]:
    return body_of(card, request.get("prompt"), replaced(card.images, parameters_of(card, request), replace))
