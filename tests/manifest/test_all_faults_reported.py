"""One pass reports all faults of a manifest, each once and at its place, and no consequence of another."""

from textwrap import dedent

import pytest
from small_manifests import Files

from kbatch.errors import Invalid, Severity
from kbatch.pipeline.load import LoadOptions, parse_manifest

HEAD = "kbatch: 1\nname: example\nprovider: apiframe\n"
FILES = Files(
    {
        "good.csv": "id,text\na,dawn\nb,dusk\n",
        "bad.csv": "id;text\na;dawn\n",
        "nan.json": '[{"id": "a", "text": "dawn"},\n {"id": "b", "text": NaN}]',
    }
)


def said(text: str, profile: str | None = None) -> list[tuple[str, int]]:
    """Return code and line of every error of `HEAD` with this text; lines count from its first as 1."""
    with pytest.raises(Invalid) as caught:
        parse_manifest((HEAD + dedent(text)).encode(), "m.yaml", FILES, LoadOptions(profile=profile))
    problems = caught.value.problems
    assert all(each.severity is Severity.ERROR for each in problems), problems
    marks = [(each.code, each.mark) for each in problems]
    return sorted((code, 0 if mark is None else mark.line - 3 * (mark.file == "m.yaml")) for code, mark in marks)


TOGETHER: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "unknown-field-unknown-model-parameters": (
        """\
        shots:
          - {id: a, model: kling-2.5-turbo-pro, prompt: dawn, seed: 4}
          - {id: b, model: kling-9, prompt: dawn}
          - id: c
            model: kling-2.5-turbo-pro
            prompt: dawn
            params:
              duration: 7
              cfg_scale: 9
              colour: red
        """,
        [
            ("unknown-field", 2), ("unknown-model", 3), ("not-allowed-value", 8), ("out-of-range", 9),
            ("unknown-parameter", 10),
        ],
    ),
    "a-shot-with-an-unknown-field-is-checked-for-the-others": (
        """\
        shots:
          - id: a
            seed: 4
            model: kling-2.5-turbo-pro
            prompt: "dawn {{ citty }}"
            output: dawn.mov
            params: {duration: 7}
        """,
        [("unknown-field", 3), ("unknown-name", 5), ("output-name", 6), ("not-allowed-value", 7)],
    ),
    "a-template-that-cannot-be-compiled-hides-no-parameter": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            prompt: "dawn {{ city"
            params: {duration: 7}
        """,
        [("template-syntax", 4), ("not-allowed-value", 5)],
    ),
    "a-data-file-hides-only-what-depends-on-it": (
        """\
        data: {bad: bad.csv, good: good.csv}
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            matrix: {row: "{{ data.bad }}"}
            prompt: "{{ row.text }}"
            params: {duration: 7}
          - id: b
            model: kling-2.5-turbo-pro
            matrix: {row: "{{ data.good }}"}
            prompt: "{{ row.colour }}"
          - id: c
            model: kling-2.5-turbo-pro
            prompt: "{{ data.bad[0].text }} {{ data.good | length }}"
        """,
        [("data-format", 1), ("not-allowed-value", 7), ("unknown-name", 11)],
    ),
    "data-with-a-fault-in-a-row": (
        """\
        data: {rows: nan.json}
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            matrix: {row: "{{ data.rows }}", exclude: [{row: a}]}
            prompt: "{{ row.text }}"
            params: {start_image: "{{ last_frame('a', row='b') }}"}
        """,
        [("bad-number", 2)],
    ),
    "an-axis-that-failed-brings-nothing-after-it": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            matrix:
              city: Lisbon
              mood: [calm, wild, [x]]
              zip: [[city, mood]]
              exclude: [{city: Oslo}, {mood: x}]
              include: [{city: Rome, tone: warm}]
            prompt: "{{ city }} {{ mood }} {{ tone }} {{ matrix.city }}"
            output: "{{ slug }}.mp4"
            params: {duration: 7}
          - id: b
            model: kling-2.5-turbo-pro
            prompt: dawn
            params: {start_image: "{{ last_frame('a', city='lisbon') }}"}
        """,
        [("wrong-type", 5), ("wrong-type", 6), ("not-allowed-value", 12)],
    ),
    "an-axis-with-a-bad-value-is-checked-by-its-good-ones": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            matrix: {seconds: [5, 7, "🔥"], exclude: [{seconds: "🔥"}]}
            prompt: dawn
            params: {duration: "{{ seconds }}"}
        """,
        [("axis-label", 4), ("not-allowed-value", 6)],
    ),
    "an-exclude-that-is-wrong-leaves-its-combinations-unjudged": (
        """\
        shots:
          - id: a
            model: kling-2.1
            matrix: {mode: [standard, pro], end: [""], exclude: [{mod: standard}]}
            prompt: dawn
            params: {mode: "{{ mode }}", start_image: "https://a.co/a.png", end_image: "https://a.co/b", cfg_scale: 9}
        """,
        [("axis-label", 4), ("out-of-range", 6), ("unknown-axis", 4)],
    ),
    "a-when-that-is-wrong-leaves-its-combinations-unjudged": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            matrix: {seconds: [5, 7]}
            when: secnds == 5
            prompt: dawn
            params: {duration: "{{ seconds }}", cfg_scale: 9}
        """,
        [("out-of-range", 7), ("unknown-name", 5)],
    ),
    "what-a-misspelled-field-was-meant-to-be-is-not-missing": (
        """\
        shots:
          - {id: a, modl: kling-2.5-turbo-pro, prompt: dawn, params: {duration: 7}}
          - {id: b, model: kling-2.5-turbo-pro, promt: dawn}
          - {idd: c, model: kling-2.5-turbo-pro, prompt: dawn, params: {duration: 7}}
          - {id: d, model: kling-2.1, prompt: dawn, start_image: a.png}
          - {id: e, model: kling-2.5-turbo-pro, prompt: "{{ city }}", matrics: {city: [Rome]}}
        """,
        [
            ("not-allowed-value", 4), *[("unknown-field", line) for line in (2, 3, 4, 5, 6)],
        ],
    ),
    "settings-hide-no-shot": (
        """\
        budget: 250
        run: {concurrency: 0}
        rates: {apiframe: 1}
        output: {dir: 5}
        profiles: {"a b": {}, draft: {override: {modl: x}}}
        vars: [x]
        shots: [{id: a, model: kling-9, prompt: "{{ brand }}"}]
        """,
        [
            ("bad-form", 5), ("out-of-range", 2), ("unknown-field", 5), ("unknown-model", 7),
            *[("wrong-type", line) for line in (1, 3, 4, 6)],
        ],
    ),
    "misspelled-settings-hide-no-shot": (
        """\
        budgt: {max_credits: 5}
        outputs: {dir: clips}
        prices: {apiframe/kling-2.6: {variants: {5s: {credit: 5}}}}
        rates: {apiframe: {usd: 1}}
        shots: [{id: a, model: kling-9, prompt: dawn}]
        """,
        [("unknown-field", line) for line in (1, 2, 3, 4)] + [("missing-field", 4), ("unknown-model", 5)],
    ),
    "shots-that-are-no-list-hide-no-data": (
        """\
        data: {bad: bad.csv}
        outputx: {name: a.mp4}
        shots: "{{ z }}"
        """,
        [("data-format", 1), ("unknown-field", 2), ("wrong-type", 3)],
    ),
    "defaults-that-cannot-be-read-may-hold-anything": (
        """\
        defaults: kling-2.1
        shots:
          - {id: a, prompt: "{{ city }}", params: {duration: 7}}
          - {id: b, model: kling-2.1, params: {mode: fast}}
        """,
        [("not-allowed-value", 4), ("unknown-name", 3), ("wrong-type", 1)],
    ),
    "a-variable-that-is-a-template": (
        """\
        vars: {seconds: "{{ 5 }}"}
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            prompt: "{{ vars.seconds }}"
            params: {duration: "{{ seconds }}", cfg_scale: 9}
        """,
        [("out-of-range", 6), ("template-in-vars", 1)],
    ),
    "a-shot-twice-is-checked-twice": (
        """\
        shots:
          - {id: a, model: kling-2.5-turbo-pro, prompt: dawn, params: {duration: 7}}
          - {id: a, model: kling-2.5-turbo-pro, prompt: dawn, params: {duration: 8}}
          - {id: b, model: kling-2.5-turbo-pro, prompt: dawn, params: {start_image: "{{ last_frame('a') }}"}}
        """,
        [("duplicate-shot", 3), ("not-allowed-value", 2), ("not-allowed-value", 3)],
    ),
    "too-many-jobs-of-one-shot-hide-no-other": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            prompt: "{{ n }} {{ m }} {{ z }}"
            matrix: {n: "{{ range(200) | list }}", m: "{{ range(100) | list }}"}
          - {id: b, model: kling-2.5-turbo-pro, prompt: dawn, params: {duration: 7}}
        """,
        [("not-allowed-value", 6), ("too-many-jobs", 2), ("unknown-name", 4)],
    ),
    "a-frame-that-is-wrong-hides-no-parameter": (
        """\
        shots:
          - id: a
            model: kling-2.5-turbo-pro
            prompt: dawn
            params: {start_image: "{{ last_frame('z') }}", duration: 7}
        """,
        [("not-allowed-value", 5), ("unknown-shot", 5)],
    ),
    "jobs-that-wait-for-each-other-are-checked": (
        """\
        shots:
          - {id: a, model: kling-2.5-turbo-pro, prompt: x, params: {start_image: "{{ last_frame('b') }}", duration: 7}}
          - {id: b, model: kling-2.5-turbo-pro, prompt: x, params: {start_image: "{{ last_frame('a') }}"}}
        """,
        [("cycle", 2), ("not-allowed-value", 2)],
    ),
    "a-parameter-whose-template-is-wrong-is-no-missing-one": (
        """\
        shots:
          - id: a
            model: kling-2.1
            prompt: dawn
            params: {start_image: "{{ x", end_image: "https://a.example/a.png", mode: "{{ y }}"}
        """,
        [("template-syntax", 5), ("unknown-name", 5)],
    ),
    "a-misspelled-parameter-is-no-missing-one": (
        """\
        shots:
          - {id: a, model: kling-2.1, prompt: dawn, params: {start_imge: "https://a.co/a.png", duration: 7}}
        """,
        [("not-allowed-value", 2), ("unknown-parameter", 2)],
    ),
    "shots-that-are-none": (
        """\
        shots:
          - dawn
          - {id: b, model: kling-9, prompt: dawn}
        """,
        [("unknown-model", 3), ("wrong-type", 2)],
    ),
    "the-top-level-matrix-hides-no-shot": (
        """\
        matrix: {city: [Rome, Rome], if: [a]}
        shots:
          - {id: a, model: kling-2.5-turbo-pro, prompt: "{{ city }}", params: {duration: 7}}
        """,
        [("axis-label-twice", 1), ("name-reserved", 1), ("not-allowed-value", 3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TOGETHER.values(), ids=TOGETHER)
def test_all_faults_are_reported_once(text: str, expected: list[tuple[str, int]]) -> None:
    """Faults of different stages stand in one report, each once, without consequences of others."""
    assert said(text) == sorted(expected)


def test_a_profile_that_cannot_be_read_is_not_unknown_too() -> None:
    """A profile that exists has only its own fault."""
    assert said("profiles: {draft: 5}\nshots: [{id: a, model: kling-9, prompt: x}]\n", "draft") == [("wrong-type", 1)]


def test_a_partly_read_axis_counts_no_jobs() -> None:
    """A fault has no number of jobs where that number is unknown."""
    text = 'shots: [{id: a, model: kling-9, prompt: "{{ n }}", matrix: {n: [1, 2, "🔥"]}}]\n'
    with pytest.raises(Invalid) as caught:
        parse_manifest((HEAD + text).encode(), "m.yaml", FILES, LoadOptions())
    assert [problem.jobs for problem in caught.value.problems] == [None, None]
