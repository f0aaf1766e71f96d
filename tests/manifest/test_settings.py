"""Settings: amounts by provider, exact rates, folders of profiles and of rehearsals."""

from decimal import Decimal
from typing import Any

import pytest

from kbatch.manifest.settings import read_settings

MANIFEST: dict[str, Any] = {
    "name": "example",
    "budget": {"max_credits": {"apiframe": 2000}, "max_credits_per_job": 105},
    "rates": {"apiframe": {"usd_per_credit": 0.1}},
    "prices": {"apiframe/kling-2.6": {"credits": 30}},
    "output": {"dir": "clips"},
    "run": {"concurrency": {"apiframe": 8}},
    "profiles": {
        "draft": {
            "budget": {"max_credits": 50},
            "rates": {"aimlapi": {"usd_per_credit": 5e-7}},
            "prices": {"apiframe/kling-2.1": {"credits": 9}},
            "run": {"concurrency": 2},
        },
        "own-folder": {"output": {"dir": "drafts"}},
    },
}


def test_amounts_are_by_provider_and_a_bare_number_stands_under_none() -> None:
    """A bare number belongs to the provider in use, which is not known here."""
    settings = read_settings(MANIFEST, None, simulated=False)
    assert settings.max_credits == {"apiframe": 2000}
    assert settings.max_credits_per_job == {None: 105}
    assert settings.concurrency == {"apiframe": 8}


def test_rates_are_the_decimals_that_were_written() -> None:
    """No binary fraction creeps into money."""
    settings = read_settings(MANIFEST, "draft", simulated=False)
    assert settings.usd_per_credit == {"apiframe": Decimal("0.1"), "aimlapi": Decimal("5e-7")}


def test_a_profile_lies_over_each_part_key_by_key() -> None:
    """What a profile does not say stays as the manifest has it."""
    settings = read_settings(MANIFEST, "draft", simulated=False)
    assert settings.max_credits == {None: 50}
    assert settings.max_credits_per_job == {None: 105}
    assert set(settings.prices) == {"apiframe/kling-2.6", "apiframe/kling-2.1"}
    assert settings.concurrency == {None: 2}


FOLDERS = {
    "plain": (None, False, "clips", "clips"),
    "simulated": (None, True, "clips-sim", "clips-sim"),
    "profile": ("draft", False, "clips/draft", "clips"),
    "simulated-profile": ("draft", True, "clips-sim/draft", "clips-sim"),
    "profile-with-a-folder": ("own-folder", False, "drafts/own-folder", "drafts"),
}


@pytest.mark.parametrize(("profile", "simulated", "folder", "root"), FOLDERS.values(), ids=FOLDERS)
def test_profiles_and_rehearsals_have_folders_of_their_own(
    profile: str | None, simulated: bool, folder: str, root: str
) -> None:
    """A profile's clips lie below the output folder, pretended ones beside it."""
    settings = read_settings(MANIFEST, profile, simulated=simulated)
    assert (settings.output_dir, settings.output_root) == (folder, root)


def test_nothing_written_is_nothing_set() -> None:
    """Without a budget there is no ceiling, without rates no dollars; clips go to `renders`."""
    settings = read_settings({"name": "example"}, None, simulated=False)
    assert (settings.max_credits, settings.usd_per_credit, settings.prices) == ({}, {}, {})
    assert (settings.output_dir, settings.concurrency, settings.profile) == ("renders", {}, None)
