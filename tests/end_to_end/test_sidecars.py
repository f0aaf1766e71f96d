"""Sidecars: every delivered clip says what it is, goes nowhere without it, and tells no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kbatch import __version__
from kbatch.receipts.sidecar import DRAWN, GENERATED
from kbatch.runner.collect import sidecars as module
from kbatch.storage import packaged
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, KEYS, Rig

ONE = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a lighthouse}\n"
TWIN = ONE + "  - {id: twin, prompt: a lighthouse}\n"
SCHEMA = json.loads(packaged("sidecar.schema.json"))


def sidecars(rig: Rig) -> dict[str, dict[str, Any]]:
    """Return every sidecar below the folder, each held against the schema."""
    found = {}
    for path in sorted(rig.folder.rglob("*.mp4.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator(SCHEMA).validate(document)
        found[path.relative_to(rig.folder).as_posix()] = document
    return found


def test_the_schema_is_a_schema_and_is_printed(capsys: pytest.CaptureFixture[str], rig: Rig) -> None:
    """`kbatch schema sidecar` prints what the tests hold sidecars against; it allows nothing that it does not name."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    from kbatch.cli import main

    with pytest.raises(SystemExit):
        main(["schema", "sidecar"])
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_a_delivered_clip_has_a_sidecar_that_says_all_of_it(both: Rig) -> None:
    """Request, model, provider, job, credits, digests, version, address and the IPTC's term for what a model made."""
    both.picture("a.png")
    both.write(f"""{AIMLAPI_PRICE}
shots:
  - {{id: one, model: kling-2.5-turbo-pro, prompt: "a — b", params: {{start_image: a.png}}}}
  - {{id: two, provider: aimlapi, model: {AIMLAPI}, prompt: c, params: {{image_url: a.png, static_mask: "https://h.example/m.png?sig=SECRET"}}}}
""")
    assert both.run().code == 0
    found = sidecars(both)
    assert set(found) == {"renders/one.mp4.json", "renders/two.mp4.json"}
    for name in ("one", "two"):
        document, receipt = found[f"renders/{name}.mp4.json"], both.receipt(name)
        for field in ("provider", "model", "variant", "job_id", "origin", "attempt", "request", "inputs", "credits"):
            assert document[field] == receipt[field], field
        assert document["address"] == name
        assert document["kbatch"] == __version__
        assert document["fingerprint"] == both.lockfile()["jobs"][name]["fingerprint"]
        assert document["clip"]["file"] == f"{name}.mp4"
        assert document["clip"]["sha256"] == both.clips()[f"renders/{name}.mp4"]
        assert (document["digitalSourceType"], document["simulated"]) == (GENERATED, False)
    text = "".join(path.read_text() for path in both.folder.rglob("*.mp4.json"))
    assert "a — b" in text
    assert "SECRET" not in text
    assert not any(key in text for key in KEYS.values())
    assert "base64" not in text


def test_a_simulated_clip_says_that_it_is_simulated(rig: Rig) -> None:
    """No model made it, so it does not bear the term of what a model made."""
    rig.write(ONE)
    assert rig.kbatch("run", "--simulate", "--yes").code == 0
    (document,) = sidecars(rig).values()
    assert (document["digitalSourceType"], document["simulated"]) == (DRAWN, True)
    assert document["origin"] == "simulator"


def test_what_is_delivered_wrong_says_why(rig: Rig) -> None:
    """Kept and described like any other clip, with what differs."""
    rig.faults("short-clip")
    rig.write(ONE)
    assert rig.run().code == 1
    (document,) = sidecars(rig).values()
    assert document["state"] == "delivered-wrong"
    assert "s long" in document["error"]["message"]


def test_a_renamed_template_moves_clip_and_sidecar(both: Rig) -> None:
    """Nothing stays behind, the new sidecar has the new names, and nothing is bought."""
    both.write(ONE)
    assert both.run().code == 0
    both.write('output: {dir: clips, name: "{{ model }}/{{ shot.id }}-{{ take }}.mp4"}\n' + ONE)
    assert both.run().code == 0
    assert list(sidecars(both)) == ["clips/kling-2.5-turbo-pro/one-1.mp4.json"]
    assert sidecars(both)["clips/kling-2.5-turbo-pro/one-1.mp4.json"]["clip"]["file"] == "one-1.mp4"
    assert len(both.charges()) == 1


def test_a_renamed_shot_renames_it_in_the_sidecar(rig: Rig) -> None:
    """The address is the job's present one."""
    rig.write(ONE)
    assert rig.run().code == 0
    rig.write(ONE.replace("id: one", "id: other"))
    assert rig.run().code == 0
    assert {name: one["address"] for name, one in sidecars(rig).items()} == {"renders/other.mp4.json": "other"}


def test_a_clip_that_is_kept_aside_keeps_its_sidecar(both: Rig) -> None:
    """Going back brings both to their place again."""
    both.write(ONE)
    assert both.run().code == 0
    old = both.clips()["renders/one.mp4"]
    both.write(ONE.replace("lighthouse", "harbour"))
    assert both.run().code == 0
    new = both.clips()["renders/one.mp4"]
    found = sidecars(both)
    assert set(found) == {"renders/one.mp4.json", f"renders/.kept/{old}.mp4.json"}
    assert found["renders/one.mp4.json"]["clip"]["sha256"] == new
    assert found[f"renders/.kept/{old}.mp4.json"]["clip"]["sha256"] == old
    both.write(ONE)
    assert both.run().code == 0
    found = sidecars(both)
    assert set(found) == {"renders/one.mp4.json", f"renders/.kept/{new}.mp4.json"}
    assert found["renders/one.mp4.json"]["clip"]["sha256"] == old


def test_two_places_of_one_render_have_a_sidecar_each(rig: Rig) -> None:
    """Each says the address and the file that it stands beside, and both the same job."""
    rig.write(TWIN)
    assert rig.run().code == 0
    found = sidecars(rig)
    assert {name: (one["address"], one["clip"]["file"]) for name, one in found.items()} == {
        "renders/one.mp4.json": ("one", "one.mp4"),
        "renders/twin.mp4.json": ("twin", "twin.mp4"),
    }
    assert len({one["job_id"] for one in found.values()}) == 1
    assert len(rig.charges()) == 1


@pytest.mark.parametrize("damage", ["gone", "behind", "other-version"])
def test_a_sidecar_is_made_anew_only_where_it_has_to_be(rig: Rig, damage: str) -> None:
    """One that was removed, or that says something else, is written again; a newer kbatch alone changes no file."""
    rig.write(ONE)
    assert rig.run().code == 0
    path = rig.folder / "renders" / "one.mp4.json"
    whole = path.read_bytes()
    document = json.loads(whole)
    if damage == "gone":
        path.unlink()
    else:
        document["kbatch" if damage == "other-version" else "address"] = "0.0.1"
        path.write_text(json.dumps(document))
    before = path.read_bytes() if path.exists() else b""
    assert rig.run().code == 0
    assert path.read_bytes() == (before if damage == "other-version" else whole)
    assert len(rig.charges()) == 1


@pytest.mark.parametrize("text", ["my notes", '{"title": "mine"}', "[1]"], ids=["text", "json", "list"])
def test_a_file_of_the_same_name_that_is_none_is_left_alone(rig: Rig, text: str) -> None:
    """It is somebody's, so it is neither written over nor taken along."""
    rig.write(ONE)
    path = rig.folder / "renders" / "one.mp4.json"
    path.parent.mkdir()
    path.write_text(text)
    assert rig.run().code == 0
    assert path.read_text() == text
    rig.write("output: {dir: clips}\n" + ONE)
    assert rig.run().code == 0
    assert path.read_text() == text
    assert sorted(rig.clips()) == ["clips/one.mp4"]
    assert json.loads((rig.folder / "clips" / "one.mp4.json").read_text())["address"] == "one"


@pytest.mark.parametrize("left", [b"", b"\0" * 700], ids=["empty", "zeros"])
def test_what_a_power_cut_left_of_a_sidecar_is_written_anew(rig: Rig, left: bytes) -> None:
    """A sidecar is not waited for until the disk has it, so after a power cut its name may stand without its bytes."""
    rig.write(ONE)
    assert rig.run().code == 0
    path = rig.folder / "renders" / "one.mp4.json"
    whole = path.read_bytes()
    path.write_bytes(left)
    assert rig.run().code == 0
    assert path.read_bytes() == whole
    assert len(rig.charges()) == 1


def test_a_sidecar_that_cannot_be_written_stops_nothing(rig: Rig) -> None:
    """The clip is delivered and done; what went wrong with the sidecar is said."""
    rig.write(TWIN.replace("id: twin, prompt: a lighthouse", "id: two, prompt: a harbour"))
    (rig.folder / "renders" / "one.mp4.json").mkdir(parents=True)
    said = rig.run()
    assert said.code == 0
    assert said.json["counts"]["done"] == 2
    assert "sidecar" in said.err
    assert set(sidecars_of_files(rig.folder)) == {"two.mp4.json"}


def test_sidecars_of_a_moment_are_written_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many clips that come at once cost few visits to the disk, and each has its sidecar at the end of the run."""
    visits, write_all = [], module._write_all

    def counted(folder: Path, texts: Any) -> Any:
        visits.append(len(texts))
        return write_all(folder, texts)

    monkeypatch.setattr(module, "_write_all", counted)
    shot = '{id: one, prompt: "{{ n }}", matrix: {n: "{{ range(30) }}"}}'
    rig.write(f"defaults: {{model: kling-2.5-turbo-pro}}\nshots: [{shot}]\n")
    assert rig.run("-j", "30").code == 0
    assert len(sidecars(rig)) == sum(visits) == 30
    assert len(visits) < 15


def sidecars_of_files(folder: Path) -> list[str]:
    """Return the names of the sidecars that are files."""
    return [path.name for path in folder.rglob("*.mp4.json") if path.is_file()]


def test_verify_takes_sidecars_for_no_strays(rig: Rig) -> None:
    """Beside a known clip, at its place or kept aside, a sidecar is expected."""
    rig.write(ONE)
    assert rig.run().code == 0
    rig.write(ONE.replace("lighthouse", "harbour"))
    assert rig.run().code == 0
    said = rig.kbatch("verify")
    assert said.code == 0
    assert ".json" not in said.out
