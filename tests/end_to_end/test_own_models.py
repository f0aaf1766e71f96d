"""A user's folder of model cards: named by a flag or the environment, checked and priced; never by a manifest."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.campaign_rig import Rig

CARDS = Path(__file__).parents[2] / "schemas" / "models"
SHOT = "shots: [{id: hero, model: kling-2.5-turbo-pro, prompt: a ridge, params: {duration: 5}}]\n"


def card_file(rig: Rig, folder: str = "models", model: str = "kling-2.5-turbo-pro", **changes: Any) -> Path:
    """Write a card like the packaged one of kling-2.5-turbo-pro, with some of its parts replaced."""
    card = json.loads((CARDS / "apiframe" / "kling-2.5-turbo-pro.json").read_bytes())
    card |= {"model": model, **changes}
    card.pop("$schema")
    path = rig.folder / folder / str(card["provider"]) / f"{model}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card, indent=2), encoding="utf-8")
    return path


def price(five: int | None, ten: int | None = 7) -> dict[str, Any]:
    """Return `pricing` with these credits."""
    card = json.loads((CARDS / "apiframe" / "kling-2.5-turbo-pro.json").read_bytes())
    return {**card["pricing"], "table": {"5s": five, "10s": ten}}


def endpoint(name: str) -> dict[str, Any]:
    """Return `endpoint` with this name."""
    return {"name": name, "why": "it is newer", "source": {"title": "a", "publisher": "b", "read": "2026-11-30"}}


def credits(rig: Rig, *args: str) -> int | None:
    """Return what the plan says that the only job costs."""
    found: int | None = rig.kbatch("plan", "--format", "json", *args).json["jobs"][0]["credits"]
    return found


def folder(rig: Rig) -> str:
    """Return the folder of cards as it is typed."""
    return str(rig.folder / "models")


def test_a_folder_beside_the_manifest_is_not_looked_at(rig: Rig) -> None:
    """A pull request that brings a cheaper card, or one that is wrong, changes nothing without the flag."""
    rig.write(SHOT)
    card_file(rig, pricing=price(1))
    (rig.folder / "models" / "apiframe" / "kling-2.6.json").write_text("{")
    assert credits(rig) == 4
    assert rig.run().code == 0
    assert rig.receipt("hero")["credits"]["planned"] == 4


def test_a_manifest_cannot_name_the_folder(rig: Rig) -> None:
    """No field of a manifest leads to cards."""
    for place in ("models: models\n", "run: {models: models}\n", "prices: {models: models}\n"):
        rig.write(place + SHOT)
        assert rig.kbatch("check").code == 2, place


def test_the_flag_and_the_environment_name_it(rig: Rig) -> None:
    """Either way the user's card prices the job, and the plan says so."""
    rig.write(SHOT)
    card_file(rig, pricing=price(9))
    said = rig.kbatch("plan", "--models", folder(rig))
    assert "stands in the place of the packaged card of `apiframe/kling-2.5-turbo-pro`" in said.err
    assert "states the price (the packaged card has 4)" in said.out
    assert "warning[card-replaced]" in rig.kbatch("check", "--models", folder(rig)).out
    rig.monkeypatch.setenv("KBATCH_MODELS", folder(rig))
    assert credits(rig) == 9
    assert "in place of the packaged card" in rig.kbatch("explain", "hero").out.replace("stands in the", "in")


def test_a_lower_price_needs_trust(rig: Rig) -> None:
    """Nothing is sent for a price below the packaged card's, and a charge above it stops the model."""
    rig.trusting = False
    rig.write(SHOT + "  ")
    card_file(rig, pricing=price(1))
    said = rig.run("--models", folder(rig))
    assert (said.code, "price-lowered" in said.err) == (3, True), said.err
    assert "models/apiframe/kling-2.5-turbo-pro.json lowers the price" in said.err
    assert rig.charges() == []
    assert rig.run("--models", folder(rig), "--trust-prices").code == 1
    assert [line["credits"] for line in rig.charges()] == [4]


def test_a_price_where_the_packaged_card_has_none_needs_trust_or_approval(rig: Rig) -> None:
    """The price of a model that kbatch does not know is the user's word alone; an approval of the plan holds it."""
    rig.trusting = False
    rig.write(SHOT.replace("kling-2.5-turbo-pro", "kling-9"))
    card_file(rig, model="kling-9")
    said = rig.run("--models", folder(rig))
    assert (said.code, "price-invented" in said.err) == (3, True), said.err
    assert "check who wrote the card first" in said.err
    assert rig.run("--models", folder(rig), "--simulate").code == 0


def test_a_saved_plan_is_bound_to_the_cards(rig: Rig) -> None:
    """A changed note in a card of a job, or a run without the folder, makes it stale; another card does not."""
    rig.write(SHOT)
    card_file(rig, pricing=price(4))
    plan = str(rig.folder / "plan.json")
    models = ("--models", folder(rig))
    assert rig.kbatch("plan", "--out", plan, *models).code == 0
    refused = rig.kbatch("run", "--yes", manifest="plan.json")
    assert (refused.code, "models//apiframe/kling-2.5-turbo-pro is gone" in refused.err) == (3, True), refused.err
    card_file(rig, pricing=price(4), summary="Another")
    refused = rig.kbatch("run", "--yes", *models, manifest="plan.json")
    assert (refused.code, "models//apiframe/kling-2.5-turbo-pro changed" in refused.err) == (3, True), refused.err
    card_file(rig, pricing=price(4))
    card_file(rig, model="kling-9")
    assert rig.kbatch("run", "--yes", *models, manifest="plan.json").code == 0


def test_a_folder_that_git_tracks_as_a_link_is_refused(rig: Rig) -> None:
    """A repository cannot lead the flag to another folder than the named one; the user's own link is followed."""
    rig.write(SHOT)
    card_file(rig, folder="elsewhere", pricing=price(9))
    (rig.folder / "own").symlink_to("elsewhere")
    assert credits(rig, "--models", str(rig.folder / "own")) == 9
    (rig.folder / "models").symlink_to("elsewhere")
    for words in (("init", "-q"), ("add", "models")):
        subprocess.run(["git", *words], cwd=rig.folder, check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})
    said = rig.kbatch("plan", "--models", folder(rig))
    assert (said.code, "is a symbolic link that git tracks" in said.err) == (2, True), said.err


def test_a_link_inside_the_folder_is_refused(rig: Rig) -> None:
    """Cards of another place are not taken for those of the folder."""
    rig.write(SHOT)
    card_file(rig, folder="elsewhere", pricing=price(1))
    (rig.folder / "models").mkdir()
    (rig.folder / "models" / "apiframe").symlink_to("../elsewhere/apiframe")
    assert rig.kbatch("check", "--models", folder(rig)).code == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "host": ({"host": "https://evil.example"}, "a card has no field `host` here"),
    "base-url": (
        {"body": {"parameters": "klingParams", "base_url": "http://x"}},
        "a card has no field `base_url` here",
    ),
    "nothing-costs": ({"pricing": price(0)}, "is not a whole number of units"),
    "other-unit": ({"pricing": {**price(4), "unit": "tokens"}}, "`apiframe` counts in credits, not in `tokens`"),
    "no-endpoint": ({"endpoint": endpoint("v2")}, "`apiframe` has no endpoint `v2`"),
    "path": ({"endpoint": endpoint("/v1/other")}, "'/v1/other' is not one of ['legacy', 'v2']"),
    "endpoint-elsewhere": ({"endpoint": endpoint("https://evil.example")}, "is not one of ['legacy', 'v2']"),
    "endpoint-url": ({"endpoint": {**endpoint("v2"), "url": "https://x"}}, "a card has no field `url` here"),
    "no-provider": ({"provider": "acme"}, "there is no provider `acme` here"),
}


@pytest.mark.parametrize(("changes", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_card_is_a_problem_with_its_place(rig: Rig, changes: dict[str, Any], why: str) -> None:
    """File, line and column of the field, on every command that reads the folder, before anything is planned."""
    rig.write(SHOT)
    path = card_file(rig, **changes)
    found = rig.kbatch("check", "--format", "json", "--models", folder(rig)).json["problems"]
    assert [one["code"] for one in found] == ["bad-card"]
    assert why in found[0]["message"]
    assert (found[0]["file"], found[0]["line"] > 1, found[0]["column"] > 1) == (str(path), True, True)
    for command in (("plan",), ("run", "--yes"), ("status",), ("explain", "hero")):
        assert rig.kbatch(*command, "--models", folder(rig)).code == 2, command


@pytest.mark.parametrize("text", ["", "{", "[]", '{"provider": "apiframe", "provider": "x"}', "\xff", "null"])
def test_what_is_no_card_is_said_and_never_a_traceback(rig: Rig, text: str) -> None:
    """Bytes that are no JSON, or JSON that is no card."""
    rig.write(SHOT)
    card_file(rig).write_bytes(text.encode("latin-1"))
    said = rig.kbatch("check", "--models", folder(rig))
    assert (said.code, "Traceback" in said.err + said.out) == (2, False), said


def test_a_misplaced_card_and_a_missing_folder_are_said(rig: Rig) -> None:
    """A card counts only where its provider and model say; a folder that is not there is no empty one."""
    rig.write(SHOT)
    path = card_file(rig)
    path.rename(path.with_name("kling-8.json"))
    assert "is that of apiframe/kling-2.5-turbo-pro" in rig.kbatch("check", "--models", folder(rig)).out
    assert rig.kbatch("check", "--models", str(rig.folder / "nowhere")).code == 2


def test_models_and_schema_know_the_users_cards(rig: Rig) -> None:
    """The list says where each card is from, and the editor's schema completes the model."""
    card_file(rig, model="kling-9")
    rig.write(SHOT)
    rig.monkeypatch.chdir(rig.folder)
    rig.monkeypatch.setenv("COLUMNS", "200")
    from kbatch.cli import main

    def said(*words: str) -> str:
        rig.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        assert not end.value.code
        return rig.capsys.readouterr().out

    listed = {line.split()[1]: line for line in said("models", "--models", "models").splitlines()}
    assert listed["kling-9"].endswith("models/apiframe/kling-9.json")
    assert listed["kling-2.6"].endswith("packaged")
    assert '"kling-9"' in said("schema", "manifest", "--models", "models")
    assert '"kling-9"' not in said("schema", "manifest")


def rich(**changes: Any) -> dict[str, Any]:
    """Return what makes a card of a model with lists, pictures inside them, and its parameters under another key."""
    picture = {"type": "string", "minLength": 1, "description": "A picture"}
    part = {
        "type": "object",
        "properties": {"image": picture, "name": {"type": "string", "description": "Its name"}},
        "required": ["image"],
        "additionalProperties": False,
        "description": "One",
    }
    parameters = {
        "duration": {"type": "integer", "minimum": 4, "maximum": 6, "default": 4, "description": "Seconds"},
        "audio": {"type": "boolean", "default": False, "description": "Audio"},
        "reference_images": {"type": "array", "maxItems": 3, "items": picture, "description": "Pictures"},
        "elements": {"type": "array", "maxItems": 2, "items": part, "description": "Elements"},
        "camera_control": {"type": "object", "description": "The camera"},
    }
    forms = ["url", "data", "file"]
    source = {"title": "Acme", "publisher": "Apiframe", "read": "2026-11-30"}
    pricing = {"unit": "credits", "per": "second", "variant": [{"parameter": "audio", "true": "audio"}], "note": None}
    return {
        "parameters": parameters,
        "images": {"reference_images[]": forms, "elements[].image": forms},
        "rules": [],
        "body": {"parameters": "acmeParams"},
        "delivers": {"duration": "duration", "audio": "audio"},
        "pricing": {**pricing, "table": {"flat": 2, "audio": 3}, "source": source},
        "disputed": [],
        **changes,
    }


RICH = """shots:
  - {id: hero, model: kling-2.5-turbo-pro, prompt: a ridge, params: {duration: 5}}
  - id: rich
    model: acme-1
    prompt: a hat on a table
    params:
      duration: 6
      audio: true
      reference_images: [a.png, "{{ last_frame('hero') }}", "https://a.example/c.png"]
      elements: [{image: b.png, name: hat}]
      camera_control: {type: simple, config: {zoom: 5}}
"""


def offered(rig: Rig, *files: Path) -> None:
    """Open a world that sells the models of these cards."""
    from kbatch.simulator.providers.own_offers import offers_of_cards

    rig.open(clips=True, offers=offers_of_cards(path.read_bytes() for path in files))


def test_a_rich_model_is_planned_rehearsed_and_bought(either: Rig) -> None:
    """Pictures in lists are uploaded, the request has the card's key, and each second is charged as priced."""
    rig = either
    rig.write(RICH)
    rig.picture("a.png")
    rig.picture("b.png", "red")
    path = card_file(rig, model="acme-1", **rich())
    models = ("--models", folder(rig))
    plan = rig.kbatch("plan", "--format", "json", *models).json
    assert [job["credits"] for job in plan["jobs"]] == [4, 18]
    assert rig.run("--simulate", *models).code == 0
    offered(rig, path)
    said = rig.run(*models)
    assert said.code == 0, said.err
    assert [line["credits"] for line in rig.charges()] == [4, 18]
    (job,) = [job for job in rig.world.jobs.values() if job.model == "acme-1"]
    sent = job.input["acmeParams"]
    urls = [*sent["reference_images"][:2], sent["elements"][0]["image"]]
    assert all(url.startswith(f"{rig.stage.url}/uploads/") for url in urls)
    assert (sent["reference_images"][2], sent["camera_control"]["config"]) == ("https://a.example/c.png", {"zoom": 5})
    receipt = rig.receipt("rich")
    assert sorted(receipt["inputs"]) == ["elements[0].image", "reference_images[0]", "reference_images[1]"]
    assert receipt["request"]["acmeParams"]["reference_images"][0].startswith("sha256:")
    assert rig.run(*models, "--locked").code == 0


def test_another_picture_in_a_list_is_another_purchase(rig: Rig) -> None:
    """The digest of each picture counts, wherever it stands; the same picture under another name buys nothing."""
    rig.write(RICH)
    rig.picture("a.png")
    rig.picture("b.png", "red")
    models = ("--models", folder(rig))
    offered(rig, card_file(rig, model="acme-1", **rich()))
    assert rig.run(*models).code == 0
    rig.picture("c.png", "red")
    rig.write(RICH.replace("b.png", "c.png"))
    assert rig.run(*models, "--locked").code == 0
    rig.picture("c.png", "blue")
    said = rig.kbatch("plan", "--format", "json", *models).json["jobs"][1]
    assert (said["action"], "elements" in said["reason"]) == ("render", True), said["reason"]


def test_a_lost_answer_about_a_rich_model_is_asked_again_once(rig: Rig) -> None:
    """An unknown send with pictures in lists is resent with the same body, and one clip is charged."""
    rig.write(RICH)
    rig.picture("a.png")
    rig.picture("b.png", "red")
    path = card_file(rig, model="acme-1", **rich())
    offered(rig, path)
    rig.faults({"fault": "lost-answer", "match": "hat", "times": 1})
    models = ("--models", folder(rig))
    rig.run(*models)
    assert rig.run(*models).code == 0
    assert [line["credits"] for line in rig.charges()] == [4, 18]
