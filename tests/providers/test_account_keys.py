"""Which accounts the environment has: by the ends of the variables' names, and never by what they hold."""

import pytest

from kbatch.providers.account_keys import accounts_in, is_account_name, key_digest
from kbatch.providers.apiframe import APIFRAME

ENVIRONMENTS = {
    "none": ({}, ()),
    "the-plain-one": ({"APIFRAME_API_KEY": "k"}, ("default",)),
    "further-ones": ({"APIFRAME_API_KEY_EVE": "k", "APIFRAME_API_KEY_BOB_2": "k"}, ("bob_2", "eve")),
    "both": ({"APIFRAME_API_KEY_BOB": "k", "APIFRAME_API_KEY": "k"}, ("default", "bob")),
    "empty-values": ({"APIFRAME_API_KEY": " ", "APIFRAME_API_KEY_BOB": ""}, ()),
    "other-names": ({"APIFRAME_API_KEY_": "k", "APIFRAME_API_KEY_bob": "k", "XAPIFRAME_API_KEY_A": "k"}, ()),
    "default-by-name": ({"APIFRAME_API_KEY_DEFAULT": "k"}, ()),
    "a-digit-first": ({"APIFRAME_API_KEY_2": "k"}, ()),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_the_environments_accounts(case: str) -> None:
    """The default one first, then by name; a name that a manifest could not write is none."""
    environment, expected = ENVIRONMENTS[case]
    assert accounts_in(APIFRAME, environment) == expected


@pytest.mark.parametrize("name", ["", "Bob", "b-b", "1b", "b" * 33, "b b", "b\n"])
def test_what_is_no_name(name: str) -> None:
    """Only what can be the end of a variable, in lower case."""
    assert not is_account_name(name)


def test_a_digest_holds_nothing_of_its_key() -> None:
    """Twelve digits of a hash: other for another key, the same on every machine."""
    digests = {key_digest(key) for key in ("one", "two", "one")}
    assert len(digests) == 2
    assert all(len(digest) == len("sha256:") + 12 for digest in digests)
