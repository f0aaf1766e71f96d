"""The form of a manifest: each fault has kbatch's own message at its place."""

import pytest
from small_manifests import MANIFEST, SHOT, document_of

from kbatch.errors import Problem
from kbatch.manifest.findings import Findings
from kbatch.manifest.schema.form import check_form
from kbatch.manifest.schema.manifest_schema import shape_schema
from kbatch.manifest.schema.validate import strict_validator

GOOD = "kbatch: 1\nname: example\nshots: [{id: hero}]\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    """Return what is wrong with the form of a text."""
    document = document_of(text)
    findings = Findings(document)
    check_form(document, MANIFEST, SHOT, findings)
    return findings.problems()


def shot_with(fields: str) -> str:
    """Return a manifest whose one shot has these fields in line 4."""
    return f"kbatch: 1\nname: example\nshots:\n  - {{id: hero, {fields}}}\n"


SAID: dict[str, tuple[str, str, str, str | None]] = {
    "list": (
        "[a]",
        "not-a-manifest",
        "a manifest is a mapping, this is a list",
        "begin with `kbatch: 1`, `name:` and `shots:`",
    ),
    "text": (
        "a",
        "not-a-manifest",
        "a manifest is a mapping, this is the text `a`",
        "begin with `kbatch: 1`, `name:` and `shots:`",
    ),
    "empty": (
        "~",
        "not-a-manifest",
        "a manifest is a mapping, this is empty",
        "begin with `kbatch: 1`, `name:` and `shots:`",
    ),
    "version": (GOOD.replace("1", "2", 1), "not-allowed", "`kbatch` must be 1", "this is the version of the format"),
    "version-in-quotes": (GOOD.replace("1", "'1'", 1), "not-allowed", "`kbatch` must be 1", "remove the quotes"),
    "version-as-float": (
        GOOD.replace("1", "1.5", 1),
        "not-allowed",
        "`kbatch` must be 1",
        "this is the version of the format",
    ),
    "unknown": (
        GOOD + "budgt: 1\n",
        "unknown-field",
        "unknown field `budgt` in the manifest",
        "did you mean `budget`?",
    ),
    "name-with-space": (
        GOOD.replace("example", "My Campaign"),
        "bad-form",
        "`name` cannot be `My Campaign`",
        "the campaign's name as a slug: lower case letters, digits, `.`, `_` and `-`; for example `solstice-launch`",
    ),
    "name-too-long": (
        GOOD.replace("example", "a" * 101),
        "out-of-range",
        "`name` must have at most 100 characters",
        None,
    ),
    "name-is-a-number": (
        GOOD.replace("example", "7"),
        "wrong-type",
        "`name` must be a text, not the number 7",
        'write `"7"`',
    ),
    "shots-empty": (GOOD.replace("[{id: hero}]", "[]"), "out-of-range", "`shots` must not be empty", None),
    "shots-mapping": (
        GOOD.replace("[{id: hero}]", "{id: hero}"),
        "wrong-type",
        "`shots` must be a list, not a mapping",
        "entries of a list begin with `- `",
    ),
    "shot-text": (
        GOOD.replace("{id: hero}", "hero"),
        "wrong-type",
        "shot 1 must be a mapping, not the text `hero`",
        None,
    ),
    "shot-without-id": (
        GOOD.replace("id: hero", "takes: 2"),
        "missing-id",
        "this shot needs `id`",
        "`id: hero` names the shot in addresses",
    ),
    "shot-unknown-field": (
        shot_with("promt: a"),
        "unknown-field",
        "unknown field `promt` in shot `hero`",
        "did you mean `prompt`?",
    ),
    "both-prompts": (
        shot_with("prompt: a, prompt_file: b"),
        "both-given",
        "shot `hero` has both `prompt` and `prompt_file`",
        "keep one of them",
    ),
    "takes-true": (shot_with("takes: true"), "wrong-type", "`takes` must be a whole number, not true", None),
    "takes-null": (shot_with("takes: ~"), "wrong-type", "`takes` must be a whole number, not empty", None),
    "takes-float": (
        shot_with("takes: 2.0"),
        "wrong-type",
        "`takes` must be a whole number, not the number 2.0",
        "write `2`",
    ),
    "takes-text": (
        shot_with("takes: '2'"),
        "wrong-type",
        "`takes` must be a whole number, not the text `2`",
        "remove the quotes",
    ),
    "takes-negative": (shot_with("takes: -1"), "out-of-range", "`takes` must be at least 1", None),
    "prompt-empty-text": (shot_with("prompt_file: ''"), "out-of-range", "`prompt_file` must not be empty", None),
    "when-number": (
        shot_with("when: 1"),
        "wrong-type",
        "`when` must be a text or true or false, not the number 1",
        'write `"1"`',
    ),
    "label-null": (
        shot_with("labels: {a: ~}"),
        "wrong-type",
        "`a` must be a text, a number or true or false, not empty",
        None,
    ),
    "axis-text": (shot_with("matrix: {a: x}"), "wrong-type", "`a` must be a list, not the text `x`", "write `[x]`"),
    "axis-number": (shot_with("matrix: {a: 5}"), "wrong-type", "`a` must be a list, not the number 5", "write `[5]`"),
    "axis-null": (
        shot_with("matrix: {a: ~}"),
        "wrong-type",
        "`a` must be a list, not empty",
        "scalars, mappings labelled by id, key, slug or name, or a template that yields a list",
    ),
    "axis-value": (
        shot_with("matrix: {a: [1, ~]}"),
        "wrong-type",
        "value 2 of `a` must be a text, a number, true or false or a mapping, not empty",
        None,
    ),
    "axis-empty-mapping": (shot_with("matrix: {a: [{}]}"), "out-of-range", "value 1 of `a` must not be empty", None),
    "exclude-mapping": (
        shot_with("matrix: {exclude: {a: 1}}"),
        "wrong-type",
        "`exclude` must be a list, not a mapping",
        "entries of a list begin with `- `",
    ),
    "zip-flat": (
        shot_with("matrix: {zip: [a]}"),
        "wrong-type",
        "value 1 of `zip` must be a list, not the text `a`",
        "write `[a]`",
    ),
    "budget-list": (
        GOOD + "budget: {max_credits: [1]}\n",
        "wrong-type",
        "`max_credits` must be a whole number or a mapping, not a list",
        "credits: a bare number where one provider is used, else by provider",
    ),
    "budget-negative": (GOOD + "budget: {max_credits: -1}\n", "out-of-range", "`max_credits` must be at least 0", None),
    "budget-float": (
        GOOD + "budget: {max_credits: 5.0}\n",
        "wrong-type",
        "`max_credits` must be a whole number or a mapping, not the number 5.0",
        "write `5`",
    ),
    "budget-empty": (GOOD + "budget: {max_credits: {}}\n", "out-of-range", "`max_credits` must not be empty", None),
    "budget-of-a-provider": (
        GOOD + "budget: {max_credits: {apiframe: -1}}\n",
        "out-of-range",
        "`apiframe` must be at least 0",
        None,
    ),
    "budget-of-unknown-provider": (
        GOOD + "budget: {max_credits: {apifram: 1}}\n",
        "unknown-field",
        "unknown field `apifram` in `budget.max_credits`",
        "did you mean `apiframe`?",
    ),
    "concurrency-of-unknown-provider": (
        GOOD + "run: {concurrency: {aiml: 1}}\n",
        "unknown-field",
        "unknown field `aiml` in `run.concurrency`",
        "did you mean `aimlapi`?",
    ),
    "rate-of-unknown-provider": (
        GOOD + "rates: {kling: {usd_per_credit: 1}}\n",
        "unknown-field",
        "unknown field `kling` in `rates`",
        "known: `aimlapi`, `apiframe`",
    ),
    "rate-negative": (
        GOOD + "rates: {apiframe: {usd_per_credit: -1}}\n",
        "out-of-range",
        "`usd_per_credit` must be at least 1e-08",
        None,
    ),
    "price-of-two-kinds": (
        GOOD + "prices: {a/b: {credits: 1, credits_per_second: 1}}\n",
        "both-given",
        "`prices.a/b` has both `credits` and `credits_per_second`",
        "keep one of them",
    ),
    "price-of-a-variant-of-two-kinds": (
        GOOD + "prices: {a/b: {variants: {c: {credits: 1, credits_per_second: 1}}}}\n",
        "out-of-range",
        "`c` must have at most 1 entry",
        None,
    ),
    "profile-name": (
        GOOD + "profiles: {a/b: {}}\n",
        "bad-form",
        "`a/b` cannot name a profile",
        "a slug, since it names a folder: lower case letters, digits, `.`, `_` and `-`; for example `draft`",
    ),
    "profile-override": (
        GOOD + "profiles: {a: {override: {id: x}}}\n",
        "unknown-field",
        "unknown field `id` in `profiles.a.override`",
        "known: `model`, `provider`, `labels`, `prompt`, `prompt_file`, `takes`, `params`, `when`, `output`, "
        "`drop_unsupported`",
    ),
    "data-number": (GOOD + "data: {rows: 5}\n", "wrong-type", "`rows` must be a text, not the number 5", 'write `"5"`'),
}


@pytest.mark.parametrize(("text", "code", "message", "hint"), SAID.values(), ids=SAID)
def test_one_fault_is_one_problem_in_kbatchs_own_words(text: str, code: str, message: str, hint: str | None) -> None:
    """A fault has a code, a message without the schema's own words, and a hint where one helps."""
    (problem,) = problems_of(text)
    assert (problem.code, problem.message, problem.hint) == (code, message, hint)


def test_all_missing_fields_are_reported() -> None:
    """Every field that is required and not there is a problem of its own."""
    assert [problem.message for problem in problems_of("vars: {}\n")] == [
        "the manifest needs `kbatch`",
        "the manifest needs `name`",
        "the manifest needs `shots`",
    ]


def test_a_misspelled_field_is_reported_once() -> None:
    """A required field under a wrong name is unknown, with a hint, and not missing as well."""
    (problem,) = problems_of("kbatch: 1\nname: a\nshot: [{id: hero}]\n")
    assert (problem.code, problem.hint) == ("unknown-field", "did you mean `shots`?")


def test_all_shots_are_checked() -> None:
    """Shots of one form share one check, and each invalid one is reported at its own line."""
    text = "kbatch: 1\nname: a\nshots:\n" + "".join(
        f"  - {{id: shot-{number}, takes: {0 if number % 2 else 1}, prompt: text {number}}}\n" for number in range(6)
    )
    assert [problem.mark.line for problem in problems_of(text) if problem.mark] == [5, 7, 9]


def test_the_caret_is_below_what_is_wrong() -> None:
    """A value is marked at itself, an unknown field at its key, a missing one at the mapping that lacks it."""
    problems = problems_of("kbatch: 1\nname: example\nshots:\n  - takes: 0\n    foo: 1\n")
    assert [(one.code, one.mark.line, one.mark.column, one.mark.width) for one in problems if one.mark] == [
        ("missing-id", 4, 5, 8),
        ("out-of-range", 4, 12, 1),
        ("unknown-field", 5, 5, 3),
    ]


def test_a_mapping_by_provider_takes_the_providers_that_there_are() -> None:
    """A ceiling for a provider that is not there would hold nothing, so its name is an unknown field."""
    shape = strict_validator(shape_schema(("acme", "globex")))
    whole = {"kbatch": 1, "name": "example", "shots": [{"id": "one"}]}
    assert shape.is_valid({**whole, "budget": {"max_credits": {"acme": 5}}, "run": {"concurrency": {"globex": 2}}})
    assert not shape.is_valid({**whole, "budget": {"max_credits": {"apiframe": 5}}})
    assert not shape.is_valid({**whole, "rates": {"apiframe": {"usd_per_credit": 0.5}}})
