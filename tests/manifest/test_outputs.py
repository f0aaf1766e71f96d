"""Outputs: names stay in their folder, are portable, end in `.mp4` and belong to one job."""

import pytest
from small_manifests import drafted, resolved

from kbatch.manifest.outputs import output_fault, same_file
from kbatch.manifest.resolve import Wanted

GOOD = [
    "a.mp4",
    "a/b/c.mp4",
    "Märchen – 東京.mp4",
    "v1.2/take-3.mp4",
    "console.mp4",
    "a b.mp4",
    "com.mp4",
    "x" * 196 + ".mp4",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_portable_name_is_good(name: str) -> None:
    """Folders, scripts, spaces inside and dots inside are what every system takes."""
    assert output_fault(name) is None


BAD = {
    "no-suffix": ("a", "must end in `.mp4`"),
    "other-suffix": ("a.mov", "must end in `.mp4`"),
    "suffix-in-capitals": ("a.MP4", "must end in `.mp4`"),
    "empty": ("", "must end in `.mp4`"),
    "suffix-only": (".mp4", "has a component that begins with a dot"),
    "absolute": ("/a.mp4", "leads out of the output folder"),
    "parent": ("../a.mp4", "leads out of the output folder"),
    "parent-inside": ("a/../../b.mp4", "leads out of the output folder"),
    "hidden": (".kept/a.mp4", "has a component that begins with a dot"),
    "drive": ("C:a.mp4", "has the character ':', which not every system allows"),
    "backslash": ("a\\b.mp4", "has the character '\\\\', which not every system allows"),
    "question-mark": ("a?.mp4", "has the character '?', which not every system allows"),
    "line-end": ("a\nb.mp4", "has the character '\\n', which not every system allows"),
    "null": ("a\0.mp4", "has the character '\\x00', which not every system allows"),
    "empty-component": ("a//b.mp4", "has an empty component"),
    "here": ("./a.mp4", "has an empty component"),
    "trailing-dot": ("a./b.mp4", "has a component with a space or dot at its end"),
    "trailing-space": ("a /b.mp4", "has a component with a space or dot at its end"),
    "leading-space": (" a.mp4", "has a component with a space or dot at its end"),
    "windows-device": ("aux.mp4", "has the component `aux.mp4`, which Windows reserves"),
    "windows-device-as-folder": ("a/COM1/b.mp4", "has the component `COM1`, which Windows reserves"),
    "long-component": ("é" * 99 + ".mp4", "has a component of more than 200 bytes"),
    "long-path": ("/".join(["a" * 150] * 3) + ".mp4", "has more than 400 bytes"),
}


@pytest.mark.parametrize(("name", "fault"), BAD.values(), ids=BAD)
def test_a_name_that_some_system_does_not_take_is_refused(name: str, fault: str) -> None:
    """A name that some system refuses is a problem on every system."""
    assert output_fault(name) == fault


@pytest.mark.parametrize(
    ("one", "other"),
    [("Hero.mp4", "hero.MP4"), ("é.mp4", "e\u0301.mp4"), ("STRASSE", "straße")],
    ids=["case", "accent", "ß"],
)
def test_names_that_some_file_system_takes_for_one_are_one(one: str, other: str) -> None:
    """Case and composition tell no two files apart."""
    assert same_file(one) == same_file(other)


def test_two_jobs_with_one_output_are_refused() -> None:
    """The problem names both jobs; the count is of those that came second."""
    found = resolved('shots: [{id: hero, prompt: "{{ n }}", output: "x.mp4", matrix: {n: [1, 2, 3]}}]')
    (problem,) = found.problems
    assert problem.message == "`hero[n=1]` and `hero[n=2]` have the same output `renders/x.mp4`"


def test_an_address_stands_for_one_job() -> None:
    """An include that repeats a combination makes two jobs of one address, which is refused."""
    found = resolved('shots: [{id: hero, prompt: "{{ n }}", matrix: {n: [Rome], include: [{n: ROME}]}}]')
    assert found.codes == ["duplicate-address"]


PLACES = {
    "none": ("", None, "renders/hero.mp4"),
    "folder": ("output: {dir: clips/final}", None, "clips/final/hero.mp4"),
    "name": ('output: {name: "{{ shot.id }}/x.mp4"}', None, "renders/hero/x.mp4"),
}


@pytest.mark.parametrize(("text", "profile", "path"), PLACES.values(), ids=PLACES)
def test_the_folder_comes_from_what_is_wanted(text: str, profile: str | None, path: str) -> None:
    """A draft's output is the wanted folder and the rendered name, relative to the manifest."""
    folder = "clips/final" if "clips" in text else "renders"
    found = drafted(f"{text}\nshots: [{{id: hero, prompt: a}}]", wanted=Wanted(profile=profile, output_dir=folder))
    assert [draft.output for draft in found.drafts] == [path]


FOLDERS = {
    "outside": ("../renders", "leads out of the manifest's folder"),
    "absolute": ("/srv/renders", "leads out of the manifest's folder"),
    "root": ("/", "leads out of the manifest's folder"),
    "slash": ("renders/", "ends in a slash"),
    "here": (".", "has an empty component"),
    "hidden": (".kbatch", "has a component that begins with a dot"),
    "drive": ("C:\\\\clips", "has the character ':', which not every system allows"),
}


@pytest.mark.parametrize(("folder", "fault"), FOLDERS.values(), ids=FOLDERS)
def test_the_output_folder_stays_below_the_manifests(folder: str, fault: str) -> None:
    """A manifest is not trusted: clips go nowhere but below its own folder."""
    (problem,) = resolved(f'output: {{dir: "{folder}"}}\nshots: [{{id: hero, prompt: a}}]').problems
    assert (problem.code, problem.message.endswith(fault)) == ("output-dir", True)


def test_a_profiles_folder_is_checked_where_it_stands() -> None:
    """The mark is in the profile when the profile has a folder of its own."""
    text = "profiles: {draft: {output: {dir: ../x}}}\nshots: [{id: hero, prompt: a}]"
    (problem,) = resolved(text, wanted=Wanted(profile="draft")).problems
    assert problem.mark is not None
    assert (problem.code, problem.mark.source[problem.mark.column - 1 :]) == ("output-dir", "../x}}}")
    assert resolved(text).problems == ()


def test_no_output_lies_in_the_folder_of_a_profile() -> None:
    """`renders/draft/` belongs to the profile `draft`: without it, a shot called so must write elsewhere."""
    text = 'profiles: {draft: {}}\noutput: {name: "{{ shot.id }}/a.mp4"}\nshots: [{id: Draft, prompt: a}]'
    assert resolved(text).codes == ["output-collision"]
    assert resolved(text, wanted=Wanted(profile="draft", output_dir="renders/draft")).codes == []
