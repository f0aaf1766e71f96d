"""Where webhooks are sent to and received, and whether a delivery is signed with the account's key.

Each account has a path of its own, which only it and its provider know, so that deliveries of several accounts are told
apart. It is the same in every run: what another clone buys meanwhile has the same body, so the provider takes it for
the same purchase.
"""

import hmac
from hashlib import sha256

from msgspec import Struct

from kbatch.errors import Invalid, Problem
from kbatch.providers.http.urls import check_base_url


class WebhookTarget(Struct, frozen=True, kw_only=True):
    """The public `url` below which webhooks are sent, and the address at which this machine receives them."""

    url: str
    port: int
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        problem = check_base_url(self.url)
        if problem is not None:
            message = problem.message.replace("base URL", "webhook URL")
            raise Invalid([Problem(code="webhook-url", message=message, hint="such as `https://hooks.example.com`")])


def secret_path(key_digest: bytes, url: str) -> str:
    """Return the path segment of one account below a URL; `key_digest` is the SHA-256 of its API key."""
    return hmac.new(key_digest, b"kbatch webhooks\0" + url.encode(), sha256).hexdigest()[:32]


def is_signed(body: bytes, signature: str, key_digest: bytes) -> bool:
    """Whether a signature, `sha256=<hex>`, is of these bytes; in constant time.

    The secret is the SHA-256 of the API key: its bytes in the vendor's SDK, its hex text in a public server.
    """
    given = signature.strip().lower().removeprefix("sha256=").encode("ascii", "replace")
    secrets = (key_digest, key_digest.hex().encode())
    matches = [hmac.compare_digest(hmac.new(secret, body, sha256).hexdigest().encode(), given) for secret in secrets]
    return any(matches)
