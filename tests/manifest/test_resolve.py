"""From manifest to drafts: addresses, takes, `when`, sizes, prompts and their files, and problems counted by job."""

import pytest
from small_manifests import drafted, resolved

from kbatch.manifest.resolve import Wanted


def test_takes_have_addresses_of_their_own() -> None:
    """The first take has the bare address, the others `@2`, `@3`; templates see the number."""
    found = drafted('shots: [{id: hero, prompt: "{{ take }} {{ slug }}", takes: 3}]')
    assert found.addresses == ["hero", "hero@2", "hero@3"]
    assert found.prompts == ["1 hero", "2 hero-2", "3 hero-3"]
    assert [draft.take for draft in found.drafts] == [1, 2, 3]


def test_when_leaves_combinations_out() -> None:
    """A false `when` makes no job; it sees axes, variables and the take."""
    found = drafted(
        """
        vars: {most: 2}
        shots: [{id: hero, prompt: "{{ n }}", when: n < most or take == 2, takes: 2, matrix: {n: [1, 2]}}]
        """
    )
    assert found.addresses == ["hero[n=1]", "hero[n=1]@2", "hero[n=2]@2"]


@pytest.mark.parametrize(("when", "jobs"), [("true", 1), ("false", 0), ('"{{ 1 == 1 }}"', 1), ('"not true"', 0)])
def test_when_may_be_a_constant(when: str, jobs: int) -> None:
    """`when` is true, false, or an expression with or without braces."""
    assert len(resolved(f"shots: [{{id: hero, prompt: a, when: {when}}}]").drafts) == jobs


def test_a_shot_without_jobs_is_warned_of() -> None:
    """A shot that `when` or `exclude` leaves nothing of is most likely a mistake."""
    found = resolved(
        """
        shots:
          - {id: hero, prompt: a, when: false}
          - {id: still, prompt: "{{ n }}", matrix: {n: [1], exclude: [{n: 1}]}}
          - {id: kept, prompt: a}
        """
    )
    assert (found.codes, found.addresses) == (["no-jobs", "no-jobs"], ["kept"])
    assert not any(problem.fatal for problem in found.problems)


def test_the_size_is_known_before_anything_is_made() -> None:
    """A matrix of 10¹⁵ jobs is refused at once, with the number, the largest shot and the way to allow it."""
    axes = ", ".join(f'{name}: "{{{{ range(1000) }}}}"' for name in "abcde")
    found = resolved(f'shots: [{{id: hero, prompt: "{{{{ matrix }}}}", matrix: {{{axes}}}}}, {{id: still, prompt: a}}]')
    (problem,) = found.problems
    assert problem.code == "too-many-jobs"
    assert "1,000,000,000,000,001 jobs, 1,000,000,000,000,000 of them in shot `hero`" in problem.message
    assert problem.hint == "`--max-jobs 1000000000000001` allows them"


def test_the_largest_shot_is_named_only_among_several() -> None:
    """With one shot the number says it all."""
    (problem,) = resolved("shots: [{id: hero, prompt: a, takes: 10001}]").problems
    assert problem.message == "the matrix makes 10,001 jobs; at most 10,000 are allowed"


def test_exclusions_count_before_the_limit_does() -> None:
    """Twelve combinations of which eight are excluded are four jobs, takes doubled: within a limit of eight."""
    text = """
        shots:
          - id: hero
            prompt: "{{ a }} {{ b }}"
            takes: 2
            matrix: {a: [1, 2, 3], b: [1, 2, 3, 4], exclude: [{a: 1}, {a: 2}]}
        """
    assert len(drafted(text, wanted=Wanted(max_jobs=8)).drafts) == 8
    assert resolved(text, wanted=Wanted(max_jobs=7)).codes == ["too-many-jobs"]


def test_a_fault_is_reported_once_with_the_jobs_it_hits() -> None:
    """Forty jobs with one mistake are one problem, with how many it hits and the first by address."""
    found = resolved(
        """
        shots:
          - id: hero
            prompt: "{{ 10 / (n - 3) }}"
            takes: 2
            matrix: {n: [1, 2, 3, 4]}
          - {id: still, prompt: a}
        """
    )
    (problem,) = found.problems
    assert problem.code == "template-failed"
    assert problem.jobs is not None
    assert (problem.jobs.hit, problem.jobs.of, problem.jobs.first) == (2, 8, "hero[n=3]")


def test_names_are_checked_before_anything_is_rendered() -> None:
    """An unknown name is reported for every field at once, even where `when` would leave the job out."""
    found = resolved(
        """
        shots:
          - id: hero
            prompt: "{{ a }}"
            when: false
            params: {negative_prompt: "{{ b }}"}
            labels: {c: "{{ c }}"}
            output: "{{ d }}.mp4"
        """
    )
    assert [problem.message for problem in found.problems if problem.fatal] == [
        f"unknown name `{name}` in a template" for name in ("a", "b", "c", "d")
    ]


def test_scopes_grow_from_field_to_field() -> None:
    """Labels are there for everything but `when` and labels, model and provider for the output name."""
    found = drafted(
        """
        shots:
          - id: hero
            prompt: "{{ shot.id }} {{ shot.labels.market }} {{ labels.market }}"
            labels: {market: "{{ shot.id | upper }}"}
            output: "{{ provider }}/{{ model }}/{{ labels.market }}.mp4"
        """
    )
    assert found.prompts == ["hero HERO HERO"]
    assert found.drafts[0].output == "renders/apiframe/kling-2.5-turbo-pro/HERO.mp4"
    early = resolved('shots: [{id: hero, prompt: a, labels: {a: x, b: "{{ labels.a }}"}, when: "labels.a == 1"}]')
    assert early.codes == ["unknown-name", "unknown-name"]


def test_variables_are_there_by_bare_name_and_under_vars() -> None:
    """A variable whose name is no word is found under `vars`."""
    found = drafted(
        """
        vars: {brand: B, my-sign: S}
        shots: [{id: hero, prompt: "{{ brand }}{{ vars.brand }}{{ vars['my-sign'] }}"}]
        """
    )
    assert found.prompts == ["BBS"]


def test_a_prompt_file_is_a_template_too() -> None:
    """It has the shot's scope, imports from the same folder, and the line ends of every machine."""
    files = {
        "p/hero.txt": b"\xef\xbb\xbfA {{ light }}\r\n{% include 'p/sign.txt' %}\r\n",
        "p/sign.txt": "by {{ brand }}",
    }
    found = drafted("vars: {brand: S}\nshots: [{id: hero, prompt_file: p/hero.txt, matrix: {light: [dusk]}}]", files)
    assert found.prompts == ["A dusk\nby S"]


def test_a_plain_prompt_file_loses_only_its_last_line_end() -> None:
    """What is sent does not depend on whether a file has a template mark in it."""
    found = drafted("shots: [{id: hero, prompt_file: p.txt}]", {"p.txt": "A ridge.\n\nFog.\n"})
    assert found.prompts == ["A ridge.\n\nFog."]


def test_a_fault_in_a_prompt_file_is_marked_there() -> None:
    """The place is a line and column of the prompt file, named from where the manifest stands."""
    found = resolved("shots: [{id: hero, prompt_file: p.txt}]", {"p.txt": "A ridge\nby {{ brand }}\n"})
    (problem,) = found.problems
    assert problem.mark is not None
    assert (problem.mark.file, problem.mark.line, problem.mark.column, problem.mark.width) == ("p.txt", 2, 7, 5)


def test_a_model_that_is_no_text_is_refused() -> None:
    """A model or provider from a data row must be written out: a mapping is never turned into text."""
    found = resolved('shots: [{id: hero, prompt: a, model: "{{ engine }}", matrix: {engine: [{id: a, model: x}]}}]')
    (problem,) = found.problems
    assert (problem.code, problem.hint) == ("not-text", "name one of its fields: `id`, `model`")


def test_origins_tell_where_each_value_was_written() -> None:
    """Every field and parameter of a draft knows its layer and its place in the manifest."""
    (draft,) = drafted("shots: [{id: hero, prompt: a, params: {duration: 5}, labels: {x: y}}]").drafts
    assert {name: (origin.layer, origin.path) for name, origin in draft.origins.items()} == {
        "shot": ("shot", ("shots", 0)),
        "provider": ("manifest", ("provider",)),
        "model": ("defaults", ("defaults", "model")),
        "prompt": ("shot", ("shots", 0, "prompt")),
        "params.duration": ("shot", ("shots", 0, "params", "duration")),
        "labels.x": ("shot", ("shots", 0, "labels", "x")),
        "output": ("default", ()),
    }


def test_all_problems_of_a_manifest_are_reported_at_once() -> None:
    """A bad variable, a missing file, a bad axis and a duplicate shot are reported together."""
    found = resolved(
        """
        vars: {a: "{{ b }}"}
        data: {rows: rows.csv}
        shots:
          - {id: hero, prompt: a, matrix: {x-y: [1]}}
          - {id: hero, prompt: a}
        """
    )
    assert found.codes == ["template-in-vars", "file-not-found", "axis-name", "duplicate-shot"]
