"""The manifests that are shown to users: each is right, says what it says it says, and has real pictures."""

from pathlib import Path

import pytest
from PIL import Image

from kbatch.models.body import parameters_of
from kbatch.pipeline.load import LoadedManifest, LoadOptions, load
from kbatch.providers.registry import full_catalog

FOLDER = Path(__file__).parents[2] / "manifests"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
EDITOR = "# yaml-language-server: $schema=../schemas/manifest.schema.json"


def loaded(name: str, profile: str | None = None) -> LoadedManifest:
    """Return a shown manifest, loaded."""
    return load(FOLDER / f"{name}.yaml", LoadOptions(profile=profile))


def credits_of(found: LoadedManifest) -> int:
    """Return what a manifest's different jobs cost together; unknown prices are left out."""
    prices = {job.fingerprint: job.quote.credits for job in found.jobs}
    return sum(price for price in prices.values() if price is not None)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_shown_manifest_is_right_under_every_profile(manifest: Path) -> None:
    """No error, whichever profile is chosen, and an editor finds its schema by the first line."""
    assert manifest.read_text(encoding="utf-8").splitlines()[0] == EDITOR
    for profile in (None, *load(manifest).document.value.get("profiles", {})):
        assert load(manifest, LoadOptions(profile=profile)).jobs


@pytest.mark.parametrize("name", ["quickstart", "campaign", "aimlapi"])
def test_a_shown_manifest_has_no_warning(name: str) -> None:
    """What users copy from is above reproach."""
    assert loaded(name).warnings == ()


def test_the_manifest_of_all_parameters_warns_of_disputed_ones_only() -> None:
    """It uses every parameter of every document, so it is warned of those that another document refuses."""
    assert {problem.code for problem in loaded("all-models").warnings} == {"disputed-parameter"}


def test_the_quickstart_is_three_cheap_clips() -> None:
    """The first run costs 20 credits, as its comment says, and its budget is just that."""
    found = loaded("quickstart")
    assert (len(found.jobs), credits_of(found)) == (3, 20)
    assert found.settings.max_credits == {None: 20}


def test_the_campaign_shows_the_whole_language() -> None:
    """Rows × cities × light with rules, two models, takes, a chain, labels; the draft profile is one cheap model."""
    found = loaded("campaign")
    assert {job.model for job in found.jobs} == {"kling-2.6", "kling-3.0"}
    assert {job.draft.take for job in found.jobs} == {1, 2}
    assert {job.draft.labels["market"] for job in found.jobs} == {"eu", "jp", "all"}
    assert any(job.upstream for job in found.jobs)
    assert credits_of(found) <= (found.settings.max_credits["apiframe"] or 0)
    draft = loaded("campaign", "draft")
    assert {job.model for job in draft.jobs} == {"kling-2.5-turbo-pro"}
    assert {job.draft.take for job in draft.jobs} == {1}


def test_all_models_shows_every_priced_model_and_every_parameter() -> None:
    """Each card with a price, and one without whose price is stated, has each of its parameters written once."""
    found = loaded("all-models")
    cards = {card.key: card for card in full_catalog().cards}
    used = {job.card.key for job in found.jobs}
    unpriced = {key for key, card in cards.items() if card.pricing.table is None}
    assert used & unpriced == set(found.settings.prices)
    assert cards.keys() - used == unpriced - used
    assert all(job.quote.credits for job in found.jobs)
    for card in map(cards.__getitem__, used):
        written = {name for job in found.jobs if job.card is card for name in parameters_of(card, job.request)}
        assert written == set(card.parameters)
        defaulted = [set(job.defaulted) for job in found.jobs if job.card is card]
        assert set.intersection(*defaulted) == set()


def test_the_unpriced_example_is_unpriced() -> None:
    """AI/ML's price is unknown unless the manifest states one, and never 0."""
    assert {job.quote.credits for job in loaded("aimlapi").jobs} == {None}


def test_the_solstice_example_makes_what_the_design_says() -> None:
    """Four combinations of `hero` a product, without Tokyo's golden hour and with Oslo's polar night, twice."""
    found = loaded("solstice")
    heroes = [job.address for job in found.jobs if job.draft.shot == "hero"]
    parkas = [address for address in heroes if "product=parka" in address and "@" not in address]
    assert parkas == [
        "hero[product=parka,city=lisbon,light=golden-hour]",
        "hero[product=parka,city=lisbon,light=blue-hour]",
        "hero[product=parka,city=tokyo,light=blue-hour]",
        "hero[product=parka,city=oslo,light=polar-night]",
    ]
    assert len(heroes) == 2 * 4 * 3
    reveal = next(job for job in found.jobs if job.address == "reveal[product=flask,city=tokyo]")
    assert reveal.upstream == ("hero[product=flask,city=tokyo,light=blue-hour]",)
    assert credits_of(found) == 1824


@pytest.mark.parametrize("picture", sorted((FOLDER / "assets").glob("*.jpg")), ids=lambda path: path.stem)
def test_a_shown_picture_is_real_small_and_credited(picture: Path) -> None:
    """About 640 pixels, at most 68 KiB, with its author and licence in the credits."""
    with Image.open(picture) as image:
        assert max(image.size) == 640
    assert 24 <= picture.stat().st_size / 1024 <= 68
    assert f"`{picture.name}`" in (FOLDER / "assets/CREDITS.md").read_text(encoding="utf-8")
