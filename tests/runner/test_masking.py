"""However a provider spells the key, it is struck out; what is no key stays as it is."""

import base64
import json
from urllib.parse import quote

import pytest

from kbatch.errors import Refused
from kbatch.providers.http.client import Client
from kbatch.providers.http.masking import Mask

KEY = "afk_a/b+c&d.e-17"
SPELLINGS = {
    "plain": KEY,
    "in-json": json.dumps(KEY),
    "slashes-escaped": KEY.replace("/", r"\/"),
    "letters-escaped": "".join(f"\\u{ord(letter):04X}" for letter in KEY),
    "some-letters-escaped": KEY.replace("a", r"\u0061"),
    "json-in-json": json.dumps(json.dumps(KEY.replace("k", "\N{KELVIN SIGN}").replace("\N{KELVIN SIGN}", "k"))),
    "escaped-twice": json.dumps(r"\u0061" + KEY[1:]),
    "in-a-url": quote(KEY, safe=""),
    "in-a-url-twice": quote(quote(KEY, safe=""), safe=""),
    "every-letter-in-a-url": "".join(f"%{ord(letter):02x}" for letter in KEY),
    "html-names": KEY.replace("&", "&amp;"),
    "html-numbers": "".join(f"&#{ord(letter)};" for letter in KEY),
    "html-hex": "".join(f"&#x{ord(letter):02X};" for letter in KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "basic": base64.b64encode(b"u:" + KEY.encode() + b"!").decode(),
    "base64-for-urls": base64.urlsafe_b64encode(b"?" + KEY.encode()).decode(),
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_struck_out(spelled: str) -> None:
    """In a body, in a header and in words three stars stand where the key stood, the rest is untouched."""
    mask = Mask(KEY)
    for masked in (
        mask.words(f"<{spelled}>"),
        mask.body(f"<{spelled}>".encode()).decode(),
        mask.header(f"<{spelled}>"),
    ):
        assert "***" in masked
        assert masked[0] + masked[-1] == "<>"
        assert len(masked) < 16, masked
    assert KEY not in repr(mask)


@pytest.mark.parametrize("key", ["sandbox", "abc", "x"])
def test_a_short_key_is_struck_out_where_it_stands_alone(key: str) -> None:
    """Words do not show it; ids and whole answers, which may hold its letters by chance, stay as they are."""
    mask = Mask(key)
    assert mask.words(f"Invalid API key {key}, or '{key}'") == "Invalid API key ***, or '***'"
    assert mask.words(f"the word 1{key}2") == f"the word 1{key}2"
    assert mask.body(f'{{"jobId": "{key}"}}'.encode()) == f'{{"jobId": "{key}"}}'.encode()


def test_no_key_strikes_nothing_out() -> None:
    """Where the simulator answers in this process there is no key, and nothing is masked."""
    assert Mask("").words("simulated") == "simulated"
    assert Mask("").body(b"simulated") == b"simulated"


def test_a_key_that_is_cut_off_goes_nowhere() -> None:
    """Fewer than four characters are refused on the network, unseen, and taken on loopback."""
    with pytest.raises(Refused) as refused:
        Client("https://api.example.com", ("X-API-Key", "abc"))
    assert refused.value.code == "key-malformed"
    assert "abc" not in str(refused.value)
    assert Client("http://127.0.0.1:1", ("Authorization", "Bearer x")).loopback
