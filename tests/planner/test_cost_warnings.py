"""Warnings about cost: their conditions, places and credits, and how each is silenced."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.errors import Hit, Problem
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.cost_warnings import _letters

Campaign = Callable[..., LoadedManifest]
NOTHING_DEAR = "defaults: {model: kling-2.5-turbo-pro}\n"


def warnings(loaded: LoadedManifest, code: str) -> list[Problem]:
    """Return the warnings with a code; none of them may stop anything."""
    found = [problem for problem in loaded.warnings if problem.code == code]
    assert not any(problem.fatal for problem in found)
    return found


def source_of(problem: Problem) -> str:
    """Return what the caret underlines."""
    assert problem.mark is not None
    start = problem.mark.column - 1
    return problem.mark.source[start : start + problem.mark.width]


# defaults that are the more expensive value


@pytest.mark.parametrize(
    ("shot", "said"),
    [
        pytest.param("model: kling-2.6, params: {duration: 10}", {"generate_audio": 15}, id="audio-of-2.6"),
        pytest.param("model: kling-2.1", {"mode": 2}, id="pro-of-2.1"),
        pytest.param("model: kling-3.0, params: {duration: 10}", {"mode": 30, "generate_audio": 20}, id="both-of-3.0"),
        pytest.param("model: kling-3.0, params: {mode: pro}", {"generate_audio": 10}, id="pro-was-written"),
        pytest.param("model: kling-3.0, params: {mode: standard, generate_audio: true}", {}, id="both-were-written"),
        pytest.param("model: kling-3.0, params: {mode: pro, generate_audio: false}", {}, id="duration-is-never-dear"),
        pytest.param("model: kling-2.5-turbo-pro", {}, id="a-model-without-a-dear-default"),
        pytest.param(
            "model: kling-2.1, params: {start_image: 'https://a.example/a.png', end_image: 'https://a.example/b.png'}",
            None,
            id="end-image-needs-pro",
        ),
    ],
)
def test_an_expensive_default(campaign: Campaign, shot: str, said: dict[str, int] | None) -> None:
    """Each expensive default has a warning with its cost in credits; the cheaper value must be allowed."""
    loaded = campaign(f"shots:\n  - {{id: a, prompt: dusk, {shot}}}\n")
    found = {problem.message.split("`")[1]: problem.message for problem in warnings(loaded, "dear-default")}
    assert set(found) == set(said or {})
    for parameter, credits in (said or {}).items():
        assert f": {credits} credits more than" in found[parameter]


def test_a_dear_default_is_said_once_a_shot(campaign: Campaign) -> None:
    """A shot with many jobs has one warning, with the sum of what all of them cost more and the jobs counted."""
    loaded = campaign(
        "shots:\n"
        "  - {id: a, prompt: '{{ city }}', model: kling-2.6, matrix: {city: [Oslo, Rome, Kyoto]}, takes: 2}\n"
        "  - {id: b, prompt: dusk, model: kling-2.6, params: {duration: 5}}\n"
    )
    first, second = warnings(loaded, "dear-default")
    assert first.jobs == Hit(hit=6, of=6, first="a[city=oslo]")
    assert "60 credits more" in first.message
    assert source_of(first) == "a"
    assert second.jobs == Hit(hit=1, of=1, first="b")
    assert source_of(second) == "params"


def test_a_dear_default_of_identical_jobs_counts_once(campaign: Campaign) -> None:
    """Jobs that are bought once cost their dear default once."""
    loaded = campaign(
        "matrix: {market: [eu, us]}\nshots:\n  - {id: a, prompt: dusk, model: kling-2.6, params: {duration: 5}}\n"
    )
    (found,) = warnings(loaded, "dear-default")
    assert "10 credits more" in found.message
    assert found.jobs == Hit(hit=2, of=2, first="a[market=eu]")


def test_a_model_axis_gets_a_hint_that_works_for_all_models(campaign: Campaign) -> None:
    """Where some models lack the parameter the hint says `defaults`, and writing it there silences the warning."""
    shots = "shots:\n  - {id: a, prompt: x, model: '{{ m }}', matrix: {m: [kling-2.1, kling-2.5-turbo-pro]}}\n"
    (found,) = warnings(campaign(shots), "dear-default")
    assert found.hint is not None
    assert "under `defaults`" in found.hint
    assert warnings(campaign("defaults: {params: {mode: pro}}\n" + shots), "dear-default") == []


def test_an_unknown_price_has_no_dear_default(campaign: Campaign) -> None:
    """Where no price is known, nothing is said about one."""
    loaded = campaign(
        "shots:\n  - id: a\n    provider: aimlapi\n    model: kling-video/v2.1/pro/image-to-video\n"
        "    prompt: x\n    params: {image_url: 'https://a.example/a.png'}\n"
    )
    assert loaded.warnings == ()


# jobs that are one request


def test_identical_shots_are_named(campaign: Campaign) -> None:
    """Two shots with one request have a warning with both addresses and the credits that are not spent."""
    loaded = campaign(NOTHING_DEAR + "shots:\n  - {id: a, prompt: dusk}\n  - {id: b, prompt: dusk}\n")
    (found,) = warnings(loaded, "duplicate-jobs")
    assert "`b` is the same request as `a`: bought once, 4 credits less than it seems" in found.message
    assert found.jobs == Hit(hit=1, of=1, first="b")
    assert source_of(found) == "b"


def test_an_axis_that_makes_no_difference_is_marked(campaign: Campaign) -> None:
    """Values of a used axis that come to one prompt are marked at the axis, once for all jobs."""
    loaded = campaign(
        NOTHING_DEAR
        + "shots:\n  - id: a\n    prompt: '{{ light | first }} {{ city }}'\n"
        + "    matrix: {city: [Oslo, Rome], light: [dawn, dusk]}\n"
    )
    (found,) = warnings(loaded, "duplicate-jobs")
    assert found.jobs == Hit(hit=2, of=4, first="a[city=oslo,light=dusk]")
    assert "8 credits less" in found.message
    assert source_of(found) == "light"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("shots:\n  - {id: a, prompt: dusk, takes: 3}\n", id="takes-are-wanted"),
        pytest.param(
            "matrix: {market: [eu, us]}\nshots:\n  - {id: a, prompt: dusk}\n  - {id: b, prompt: '{{ market }}'}\n",
            id="an-axis-of-every-shot",
        ),
        pytest.param("shots:\n  - {id: a, prompt: dusk, matrix: {city: [Oslo, Rome]}}\n", id="called-unused-already"),
    ],
)
def test_what_is_no_surprise_is_not_called_a_duplicate(campaign: Campaign, body: str) -> None:
    """Takes, axes of the whole manifest that a shot does not use, and axes already called unused are left alone."""
    assert warnings(campaign(NOTHING_DEAR + body), "duplicate-jobs") == []


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        pytest.param("a  ridge", "a ridge", True, id="white-space"),
        pytest.param("A Ridge", "a ridge", True, id="letter-case"),
        pytest.param("a ridge", "a bridge", False, id="another-word"),
        pytest.param("a ridge, params: {duration: 10}", "A ridge", False, id="another-duration"),
    ],
)
def test_prompts_that_hardly_differ_are_bought_twice(campaign: Campaign, one: str, other: str, said: bool) -> None:
    """Jobs that differ only in white space or letter case of the prompt are named with what the second one costs."""
    loaded = campaign(NOTHING_DEAR + f"shots:\n  - {{id: a, prompt: {one}}}\n  - {{id: b, prompt: {other}}}\n")
    found = warnings(loaded, "duplicate-bought")
    assert [problem.message.endswith("bought twice, 4 credits more") for problem in found] == [True] * said


# long clips, paid by the second

LONG = "  - {id: long, model: kling-3.0, prompt: x, params: {duration: 15, mode: pro, generate_audio: false}}\n"
SHORT = (
    "  - {id: short, model: kling-2.6, prompt: '{{ n }}', params: {generate_audio: true, duration: 10},"
    " matrix: {n: [%s]}}\n"
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(f"shots:\n{LONG}", True, id="nothing-else"),
        pytest.param(f"shots:\n{LONG}{SHORT % '1'}", True, id="most-of-it"),
        pytest.param(f"shots:\n{LONG}{SHORT % '1, 2'}", False, id="less-than-half"),
        pytest.param(f"shots:\n{LONG}".replace("duration: 15", "duration: 10"), False, id="ten-seconds"),
        pytest.param(f"budget: {{max_credits_per_job: 105}}\nshots:\n{LONG}", False, id="limit-a-job-written"),
        pytest.param(f"budget: {{max_credits_per_job: {{apiframe: 105}}}}\nshots:\n{LONG}", False, id="its-provider"),
        pytest.param(f"budget: {{max_credits_per_job: {{aimlapi: 105}}}}\nshots:\n{LONG}", True, id="another-provider"),
        pytest.param(
            f"prices: {{apiframe/kling-3.0: {{credits: 105}}}}\nshots:\n{LONG}", False, id="priced-by-the-clip"
        ),
    ],
)
def test_a_long_clip_dominates(campaign: Campaign, body: str, said: bool) -> None:
    """Clips over 10 s that are paid by the second and most of the cost are named, unless a limit a job is written."""
    assert len(warnings(campaign(body), "long-clip")) == said


def test_a_long_clip_is_reported_with_its_credits(campaign: Campaign) -> None:
    """The warning has the shot's credits, the whole, what a second is worth, and stands at the duration."""
    (found,) = warnings(campaign(f"shots:\n{LONG}{SHORT % '1'}"), "long-clip")
    assert "clips of 15 s, paid by the second, are 75 of 115 credits" in found.message
    assert found.hint is not None
    assert "each second less saves 5" in found.hint
    assert source_of(found) == "15"


WORDS = st.sampled_from(["a", "A", "ä", "Ä", "ß", "ss", "SS", "\u212a", "k", "\u017f", "\ufb01", "fi", "1", ""])
GAPS = st.sampled_from([" ", "  ", "\n", "\t", "\x0b", "\x1f", "\x85", "\xa0", "\u2003"])


@given(st.lists(st.tuples(WORDS, GAPS, GAPS)))
def test_prompts_with_the_same_words_have_the_same_letters(parts: list[tuple[str, str, str]]) -> None:
    """What is looked at closely is never less than what differs in white space or letter case only."""
    one = "".join(word + gap for word, gap, _ in parts)
    for other in ("".join(word.upper() + gap for word, _, gap in parts), "".join(f"{word} " for word, _, _ in parts)):
        if " ".join(one.split()).casefold() == " ".join(other.split()).casefold():
            assert _letters(one) == _letters(other)
