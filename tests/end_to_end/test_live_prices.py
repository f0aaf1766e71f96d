"""Published prices against the cards: asked before the first submit, said with both figures, never guessed."""

import json
from typing import Any

import pytest

from kbatch.cli.commands import run
from tests.campaign_rig import AIMLAPI, Rig

KLING = "shots: [{id: a, model: kling-2.6, prompt: a, params: {duration: 5, generate_audio: false}}]\n"
SECONDS = "shots: [{id: a, model: kling-3.0, prompt: a, params: {duration: 5, mode: pro, generate_audio: false}}]\n"
CLIP = (
    f"shots: [{{id: a, provider: aimlapi, model: {AIMLAPI}, prompt: a,"
    " params: {image_url: 'https://a.example/b.png', duration: 10}}]\n"
)
LISTED = 2_625_000
"""What the simulator's list asks for ten seconds: 1.3125 USD."""


def at_lists(fault: str, **more: Any) -> dict[str, Any]:
    """Return a fault of the price lists."""
    return {"fault": fault, "at": "models", **more}


@pytest.fixture
def strict(both: Rig) -> Rig:
    """Return a rig that trusts no price of a manifest."""
    both.trusting = False
    return both


@pytest.mark.parametrize(
    ("fault", "shots", "words"),
    [
        ("price-raised", KLING, ["kling-2.6 5s is quoted at 15 credits (card of 2026-", "the list says 41–81 a clip"]),
        ("price-lowered", KLING, ["is quoted at 15 credits", "the list says 13–14 a clip"]),
        ("price-gone", KLING, ["apiframe/kling-2.6 is not in the list any more (card of 2026-"]),
        ("price-mode", KLING, ["is priced by the clip (card of 2026-", "the list says by the second"]),
        ("price-raised", SECONDS, ["kling-3.0 pro is quoted at 25 credits", "the list says 106–211 a second"]),
        ("price-mode", SECONDS, ["is priced by the second", "the list says by the output"]),
    ],
)
def test_a_list_that_contradicts_a_card_refuses_the_run(rig: Rig, fault: str, shots: str, words: list[str]) -> None:
    """Exit 3 before anything is sent, with both figures and the card's date; no price is changed."""
    rig.write(shots)
    rig.faults(at_lists(fault))
    ended = rig.run()
    assert (ended.code, rig.bill()["requests"]["submit"], rig.charges()) == (3, 0, [])
    assert [word for word in words if word not in ended.err] == []
    shown = rig.kbatch("plan", "--live", "--format", "markdown")
    assert (shown.code, "**Stop:** " in shown.out, "--approve" in shown.out) == (3, True, False)
    rig.faults()
    assert rig.run().code == 0, "the same command buys once the list agrees again"


@pytest.mark.parametrize("shots", [KLING, SECONDS])
@pytest.mark.parametrize("fault", ["price-of-a-second", None])
def test_amounts_a_second_agree_under_both_readings(rig: Rig, shots: str, fault: str | None) -> None:
    """Whether a list means a second or a whole clip by them is not documented: neither reading refuses."""
    rig.write(shots)
    rig.faults(*([at_lists(fault)] if fault else []))
    ended = rig.run("--live")
    assert (ended.code, len(rig.charges())) == (0, 1), ended.err


@pytest.mark.parametrize(
    "fault", ["503", "non-json", "price-malformed", "price-missing"], ids=["down", "no-json", "malformed", "missing"]
)
def test_an_unread_list_is_said_and_is_no_agreement(strict: Rig, fault: str) -> None:
    """A real run goes on with the cards' prices and says so; with --live it is exit 3 and nothing is sent."""
    strict.write(KLING)
    strict.faults(at_lists(fault, provider="apiframe"))
    ended = strict.run("--live")
    assert (ended.code, strict.charges()) == (3, [])
    assert "the price of apiframe/kling-2.6 is not confirmed (card of 2026-" in ended.err
    ended = strict.run()
    assert (ended.code, len(strict.charges())) == (0, 1)
    assert "a public price list confirms nothing" in ended.err


def test_a_live_plan_prices_what_only_the_list_prices(strict: Rig) -> None:
    """With --live AI/ML's clip has a quote, is bought without --allow-unpriced, and its charge is as quoted."""
    strict.write(CLIP)
    assert strict.run().code == 3, "offline it stays unknown"
    planned = strict.kbatch("plan", "--live", "--format", "json").json
    assert (planned["jobs"][0]["credits"], planned["jobs"][0]["price"]) == (LISTED, "live")
    assert "the provider's public list has the price" in strict.kbatch("plan", "--live").out
    assert "--live --approve sha256:" in strict.kbatch("plan", "--live", "--format", "markdown").out
    ended = strict.run("--live")
    assert (ended.code, [line["credits"] for line in strict.charges()]) == (0, [LISTED]), ended.err
    assert strict.receipt("a")["credits"] == {"planned": LISTED, "reported": LISTED}


@pytest.mark.parametrize(
    ("fault", "credits"),
    [
        ("models-renamed", LISTED),
        ("models-variable", None),
        ("models-per-second", LISTED),
        ("models-dearer", 2 * LISTED),
    ],
)
def test_what_the_list_of_aimlapi_names(rig: Rig, fault: str, credits: int | None) -> None:
    """A model is found by its alias, a price a second is multiplied, one that varies is none."""
    rig.write(CLIP)
    rig.faults(at_lists(fault))
    assert rig.kbatch("plan", "--live", "--format", "json").json["jobs"][0]["credits"] == credits


@pytest.mark.parametrize("fault", ["models-dearer", "models-cheaper"])
def test_an_approval_is_of_the_figure_of_its_day(strict: Rig, fault: str) -> None:
    """A saved plan and an approved digest of yesterday are refused when the list says another figure today."""
    strict.write(CLIP)
    saved = strict.folder / "plan.json"
    assert strict.kbatch("plan", "--live", "--out", str(saved)).code == 0
    kept = json.loads(saved.read_text())
    digest, asked = kept["digest"], kept["bound"]["asked"]["aimlapi"]
    assert asked["source"].endswith("/v1/models")
    assert asked["etag"].startswith("W/")
    strict.faults(at_lists(fault))
    ended = strict.kbatch("run", "--approve", digest, "--live")
    assert (ended.code, strict.charges()) == (3, [])
    ended = strict.kbatch("run", "--yes", manifest="plan.json")
    now = 2 * LISTED if fault == "models-dearer" else LISTED // 2
    assert (ended.code, strict.charges()) == (3, [])
    assert f"a costs {now} instead of {LISTED}" in ended.err
    strict.faults()
    ended = strict.kbatch("run", "--approve", digest)
    assert (ended.code, "`--live` takes it from the provider's public list" in ended.err) == (3, True)
    ended = strict.kbatch("run", "--yes", manifest="plan.json")
    assert (ended.code, len(strict.charges())) == (0, 1), ended.err
    assert strict.kbatch("run", "--yes", manifest="plan.json").code == 3, "used"


def test_a_colleagues_clone_makes_the_same_digest_of_the_same_list(
    strict: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another clone, with another key and no kept list, it is one digest: what was approved is run there, once."""
    strict.write(CLIP)
    approved = strict.kbatch("plan", "--live", "--format", "json").json["digest"]
    assert approved != strict.kbatch("plan", "--format", "json").json["digest"]
    strict.folder = strict.root / "clone"
    strict.folder.mkdir()
    strict.write(CLIP)
    monkeypatch.setenv("AIMLAPI_API_KEY", "another-key-of-a-colleague")
    monkeypatch.setenv("XDG_STATE_HOME", str(strict.root / "another-home"))
    ended = strict.kbatch("run", "--approve", approved, "--live")
    assert (ended.code, [line["credits"] for line in strict.charges()]) == (0, [LISTED]), ended.err
    assert strict.kbatch("run", "--approve", approved, "--live").code == 3, "used"


def test_a_list_that_changes_between_consent_and_submit_refuses(strict: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is asked again after consent: the figure of the plan is no longer the list's, so nothing is sent."""
    strict.write(CLIP)
    consent_to = run.consent_to

    def later(*args: Any) -> Any:
        found = consent_to(*args)
        strict.faults(at_lists("models-dearer"))
        return found

    monkeypatch.setattr(run, "consent_to", later)
    ended = strict.run("--live")
    assert (ended.code, strict.charges()) == (3, [])
    assert f"quoted at {LISTED:,} credits (the list, when the plan was made)" in ended.err


def test_an_own_price_below_the_list_needs_trust(strict: Rig) -> None:
    """A manifest cannot lower what a list asks; `--trust-prices` takes the user's word and says the list's."""
    strict.write(f"prices: {{aimlapi/{AIMLAPI}: {{credits: 100}}}}\n" + CLIP)
    ended = strict.run("--live")
    assert (ended.code, strict.charges()) == (3, [])
    ended = strict.run("--trust-prices")
    assert "quoted at 100 credits (the manifest's `prices`), the list says 2,625,000" in ended.err
    assert len(strict.charges()) == 1


def test_a_list_that_names_no_price_confirms_none(strict: Rig) -> None:
    """A price that varies agrees to nothing: an own price is the user's word, which needs `--trust-prices`."""
    strict.write(f"prices: {{aimlapi/{AIMLAPI}: {{credits: {LISTED}}}}}\n" + CLIP)
    strict.faults(at_lists("models-variable"))
    planned = strict.kbatch("plan", "--live")
    assert (planned.code, "names no fixed price of it" in planned.err) == (3, True)
    ended = strict.run("--live", "--trust-prices")
    assert (ended.code, "names no fixed price of it" in ended.err) == (0, True)
    assert len(strict.charges()) == 1


def test_no_key_is_sent_to_a_price_list(rig: Rig) -> None:
    """The lists are public: the request carries no key, and what was asked is kept and asked by its tag."""
    rig.write(CLIP)
    seen: list[dict[bytes, bytes]] = []
    app = rig.stage.app
    assert app is not None

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") in ("/v1/models", "/v2/models"):
            seen.append(dict(scope["headers"]))
        await app(scope, receive, send)

    rig.stage.app = watching
    assert rig.kbatch("plan", "--live").code == rig.kbatch("plan", "--live").code == 0
    names = [set(headers) for headers in seen]
    assert [names & {b"authorization", b"x-api-key"} for names in names] == [set(), set()]
    assert b"if-none-match" in names[1]
    assert rig.kbatch("plan").code == 0
    assert len(seen) == 2, "without --live nothing is asked"


def test_a_simulated_run_asks_no_list(rig: Rig) -> None:
    """Nothing is paid, so nothing is asked; --live with it is a wrong use."""
    rig.write(KLING)
    rig.faults(at_lists("price-gone"))
    assert rig.kbatch("run", "--simulate", "--yes").code == 0
    assert rig.kbatch("plan", "--simulate", "--live").code == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"url": 1}'], ids=["empty", "object", "list", "other"])
def test_a_kept_list_that_was_damaged_is_asked_anew(rig: Rig, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    """What lies in the user's folder is a help, and no source: damaged or unreadable, the whole list is asked."""
    home = rig.root / "home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    rig.write(CLIP)
    assert rig.kbatch("plan", "--live").code == 0
    (kept,) = home.glob("kbatch/price-lists/*.json")
    document = json.loads(kept.read_bytes())
    kept.write_bytes(damage)
    assert rig.kbatch("plan", "--live", "--format", "json").json["jobs"][0]["credits"] == LISTED
    kept.write_text(json.dumps({**document, "body": "no list"}))
    assert rig.kbatch("plan", "--live", "--format", "json").json["jobs"][0]["credits"] == LISTED
