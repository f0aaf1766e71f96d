"""`kbatch explain`: compared with golden files, and held against the request, the plan and the fingerprint."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbatch.pipeline.load import LoadOptions, load

Run = Callable[..., Any]
Golden = Callable[[str, Any], None]

CASES = {
    "data-row-axis-and-take": ("hero[product=parka,city=tky]@2",),
    "combination-of-an-include": ("hero[product=flask,city=oslo,detail=snow]",),
    "prompt-file-and-frame": ("reveal[product=lantern]",),
    "picture-default-and-duplicate": ("table-again",),
    "inline-picture-and-own-price": ("elsewhere",),
    "profile": ("hero[product=parka,city=lisbon]", "--profile", "draft"),
}


@pytest.mark.parametrize("name", CASES)
def test_text(campaign: Path, run: Run, golden: Golden, name: str) -> None:
    """Every kind of origin stands in words, within 80 columns but for the request and for long single words."""
    address, *flags = CASES[name]
    ended = run("explain", "campaign.yaml", address, *flags)
    assert ended.code == 0
    golden(f"explain-{name}", ended)
    _, _, after_request = ended.out.partition("\nRequest\n")
    rest = after_request[after_request.index("\n  }\n") :].splitlines()
    assert [line for line in rest if len(line) > 80 and " " in line.strip()] == []


@pytest.mark.parametrize("name", ["data-row-axis-and-take", "prompt-file-and-frame"])
def test_json(campaign: Path, run: Run, golden: Golden, name: str) -> None:
    """The same as data, with places as file, line and column."""
    golden(f"explain-{name}-json", run("explain", "campaign.yaml", *CASES[name], "--format", "json"))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("unknown-shot", "hreo", id="unknown-shot"),
        pytest.param("unknown-address", "hero[product=parka,city=lisbn]", id="unknown-axis-value"),
        pytest.param("shot-with-several-jobs", "hero", id="several-jobs"),
    ],
)
def test_an_address_that_means_no_job(campaign: Path, run: Run, golden: Golden, name: str, address: str) -> None:
    """Exit 2, with the nearest address, or all addresses of the shot."""
    ended = run("explain", "campaign.yaml", address)
    assert ended.code == 2
    golden(f"explain-{name}", ended)


def test_a_shot_with_one_job_needs_no_more_than_its_id(campaign: Path, run: Run) -> None:
    """A bare id is enough where it means one job."""
    assert run("explain", "campaign.yaml", "table").out.startswith("table\n")


def explained(run: Run, address: str, *flags: str) -> dict[str, Any]:
    """Return the explanation of a job as data."""
    found: dict[str, Any] = json.loads(run("explain", "campaign.yaml", address, *flags, "--format", "json").out)
    return found


@pytest.mark.parametrize("profile", [None, "draft"])
def test_every_job_is_explained_as_it_is(campaign: Path, run: Run, profile: str | None) -> None:
    """For each job the request is the job's own, and every parameter in it has an origin and no other has."""
    flags = ("--profile", profile) if profile else ()
    for job in load(Path("campaign.yaml"), LoadOptions(profile=profile)).jobs:
        found = explained(run, job.address, *flags)
        assert found["request"] == job.request
        params = found["request"].get("klingParams") or {
            name: value for name, value in found["request"].items() if name not in ("model", "prompt")
        }
        named = {value["name"] for value in found["values"]}
        assert named - {"provider", "model", "prompt", "output", "when", "label market"} == set(params)
        assert all(value["place"] or "default" in value["from"] for value in found["values"])
        assert {value["name"] for value in found["dropped"]} == set(job.dropped)


def test_the_fingerprint_is_made_of_what_is_shown(campaign: Path, run: Run) -> None:
    """Hashing the parts that are shown, in their canonical form, gives the fingerprint."""
    for address in (*(address for address, *flags in CASES.values() if not flags), "table"):
        shown = explained(run, address)["fingerprint"]
        inside = json.dumps(shown["inside"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256((shown["prefix"] + inside).encode()).hexdigest() == shown["sha256"]


def test_places_are_where_the_values_stand(campaign: Path, run: Run) -> None:
    """The line and column of a place lead to the value in the file."""
    lines = Path("campaign.yaml").read_text(encoding="utf-8").splitlines()
    found = explained(run, "hero[product=parka,city=tky]@2")
    places = {value["name"]: value["place"] for value in found["values"]}
    uses = {use["name"]: use["place"] for value in found["values"] for use in value["uses"]}
    for place, text in (
        (places["duration"], "10,"),
        (places["aspect_ratio"], "16:9"),
        (uses["brand"], "Solstice"),
        (uses["city.name"], "{id: tky"),
        (uses["detail"], "neon"),
    ):
        assert lines[place["line"] - 1][place["column"] - 1 :].startswith(text)


def test_action_and_reason_are_those_of_the_plan(campaign: Path, run: Run) -> None:
    """What happens next is the plan's own word, price included."""
    plan = json.loads(run("plan", "campaign.yaml", "--format", "json").out)
    for job in plan["jobs"]:
        found = explained(run, job["address"])
        assert {key: found[key] for key in ("action", "reason", "credits")} == {
            key: job[key] for key in ("action", "reason", "credits")
        }


def test_a_bought_job_shows_its_receipt(campaign: Path, run: Run) -> None:
    """After a rehearsal the action is `reuse`, and the receipt on record is named."""
    pytest.importorskip("av")
    assert run("run", "campaign.yaml", "--simulate", "--yes", "--only", "table").code == 0
    ended = run("explain", "campaign.yaml", "table", "--simulate")
    assert "reuse, 0 credits: bought " in ended.out
    assert "on record: done, job " in ended.out
