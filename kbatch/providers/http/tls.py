"""Which certificates are trusted: those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's, as httpx picks them."""

import functools
import ssl


@functools.cache
def certificates() -> ssl.SSLContext:
    """Build the context once: reading the certificates takes a tenth of a second; OSError when they cannot be read."""
    import httpx  # noqa: PLC0415 - plain http on loopback needs none of it

    return httpx.create_ssl_context()


@functools.cache
def no_certificates() -> ssl.SSLContext:
    """Return a context for plain http without trusted certificates, so that an unexpected TLS connection fails."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
