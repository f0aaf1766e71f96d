"""Faults files: what is read, what is refused and where, and how the dice fall."""

import pytest

from kbatch.errors import Invalid
from kbatch.simulator.faults.faultkinds import KINDS, FaultMoment, FaultTarget
from kbatch.simulator.faults.selection import (
    CATALOGUE,
    FaultCounts,
    FaultEvent,
    draw_job_faults,
    read_rules,
    rule,
    select_fault,
)


def event(prompt: str = "a dog", *, provider: str = "apiframe", target: FaultTarget = FaultTarget.SUBMIT) -> FaultEvent:
    """Return a request about this prompt."""
    return FaultEvent(target=target, provider=provider, prompt=prompt, subject=f"{provider}|{prompt}")


def test_a_whole_entry_is_read() -> None:
    """Every field arrives, numbers and words as they are meant."""
    [found] = read_rules('- {fault: 429, at: poll, match: "(?i)DOG", provider: aimlapi, times: 3, probability: 0.25}')
    assert (found.name, found.target, found.provider, found.times, found.probability) == (
        "429",
        "poll",
        "aimlapi",
        3,
        0.25,
    )
    assert found.match is not None
    assert found.match.search("a dog")


def test_only_the_name_is_needed() -> None:
    """Place, provider, times and probability have their documented defaults; an empty file has no faults."""
    [found] = read_rules("- fault: cut-download\n")
    assert (found.target, found.match, found.provider, found.times, found.probability) == (
        "download",
        None,
        None,
        None,
        1.0,
    )
    assert read_rules("") == read_rules("# nothing\n") == read_rules("[]") == ()


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_name_of_the_catalogue_can_be_written_plainly(name: str) -> None:
    """Unquoted in YAML, with no place said, it acts where its name implies; its help is one line."""
    [found] = read_rules(f"- fault: {name}")
    prefix = name.partition("-")[0]
    if prefix in tuple(FaultTarget):
        assert found.target == prefix
    assert found.target is KINDS[name].targets[0]
    assert CATALOGUE[name]
    assert "\n" not in CATALOGUE[name]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("fault: fail", 1, 1, "a faults file is a list of faults", None),
        ("- fail", 1, 3, "a fault is a mapping such as {fault: lost-answer, times: 1}", None),
        ("- {times: 2}", 1, 3, "a fault needs its name: {fault: NAME}", None),
        ("- {fault: fial}", 1, 11, "there is no fault `fial`", "did you mean `fail`?"),
        ("- {fault: fail}\n- {fault: [fail]}", 2, 11, "`fault` is one word or number", None),
        ("- {fault: fail, tmies: 2}", 1, 17, "unknown field `tmies` of a fault", "did you mean `times`?"),
        ("- {fault: fail, [a]: 2}", 1, 17, "unknown field `…` of a fault", None),
        ("- {fault: fail, fault: hang}", 1, 17, "`fault` stands here twice", None),
        ("- {fault: truncated, at: submit}", 1, 26, "`truncated` cannot happen at `submit`", "known: `download`"),
        ("- {fault: poll-404, at: download}", 1, 25, "`poll-404` cannot happen at `download`", "known: `poll`"),
        (
            "- {fault: fail, match: '('}",
            1,
            24,
            "`(` is not a regular expression: missing ), unterminated subpattern",
            None,
        ),
        ("- {fault: fail, provider: apifame}", 1, 27, "there is no provider `apifame`", "did you mean `apiframe`?"),
        ("- {fault: result-string, provider: aimlapi}", 1, 36, "`result-string` exists for apiframe only", None),
        ("- {fault: fail, times: 0}", 1, 24, "`times` is a whole number from 1, not `0`", "without it: always"),
        ("- {fault: fail, times: 1.5}", 1, 24, "`times` is a whole number from 1, not `1.5`", "without it: always"),
        ("- {fault: fail, times: yes}", 1, 24, "`times` is a whole number from 1, not `yes`", "without it: always"),
        ("- {fault: fail, probability: 1.5}", 1, 30, "`probability` is a number from 0 to 1, not `1.5`", None),
        ("- {fault: fail, probability: -1}", 1, 30, "`probability` is a number from 0 to 1, not `-1`", None),
        ("- {fault: fail, probability: nan}", 1, 30, "`probability` is a number from 0 to 1, not `nan`", None),
        ("- {fault: fail", 1, 15, "expected ',' or '}', but got '<stream end>'", None),
        ("- fault: fail\n- \tx", 2, 3, "found character '\\t' that cannot start any token", None),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int, message: str, hint: str | None) -> None:
    """One problem, at its line and column, in words, with a hint where one helps."""
    with pytest.raises(Invalid) as caught:
        read_rules(text, file="faults.yaml")
    [problem] = caught.value.problems
    assert problem.mark is not None
    assert (problem.mark.file, problem.mark.line, problem.mark.column) == ("faults.yaml", line, column)
    assert problem.message.startswith(message)
    assert problem.hint == hint or hint is None


def test_all_mistakes_are_told_at_once() -> None:
    """A file with three bad entries gives three problems, and the good entry between them none."""
    with pytest.raises(Invalid) as caught:
        read_rules("- {fault: fial}\n- {fault: fail}\n- {fault: hang, times: x, probability: 7}\n")
    assert [problem.mark.line for problem in caught.value.problems if problem.mark] == [1, 3, 3]


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000], ids=["brackets", "dashes"])
def test_what_nests_too_deeply_is_a_problem(text: str) -> None:
    """Depth ends the reading with a problem, not with Python's own limit."""
    with pytest.raises(Invalid, match="nest"):
        read_rules(text)


def test_a_rule_hits_only_what_it_is_meant_for() -> None:
    """Place, provider and prompt must all fit."""
    rules = (rule("500", at="poll", provider="apiframe", match="dog$"),)
    fits = event(target=FaultTarget.POLL)
    others = [event(), event("a cat", target=FaultTarget.POLL), event(target=FaultTarget.POLL, provider="aimlapi")]
    assert select_fault(rules, FaultCounts(), fits, FaultMoment.BEFORE) == "500"
    assert [select_fault(rules, FaultCounts(), other, FaultMoment.BEFORE) for other in others] == [None] * 3


def test_times_are_counted_and_the_first_rule_wins() -> None:
    """Two 500s, then 503 for good; a rule that was not reached keeps its times."""
    rules, counts = (rule("500", times=2), rule("503", times=2)), FaultCounts()
    seen = [select_fault(rules, counts, event(), FaultMoment.BEFORE) for _ in range(5)]
    assert seen == ["500", "500", "503", "503", None]


def test_several_fates_may_hit_one_job() -> None:
    """Each rule is asked on its own."""
    rules = (rule("fail"), rule("charge-double", match="dog"), rule("hang", match="cat"))
    assert draw_job_faults(rules, FaultCounts(), event()) == {"fail", "charge-double"}


def test_the_dice_are_fair_and_repeat() -> None:
    """A probability of 0.3 hits about three in ten; the same seed hits the same, another seed others."""

    def hits(seed: int) -> list[str | None]:
        rules, counts = (rule("500", probability=0.3),), FaultCounts(seed=seed)
        return [select_fault(rules, counts, event(f"shot {number}"), FaultMoment.BEFORE) for number in range(1000)]

    assert hits(1) == hits(1) != hits(2)
    assert 250 < sum(hit is not None for hit in hits(1)) < 350


def test_the_dice_do_not_depend_on_the_order_of_requests() -> None:
    """Each job's sequence of hits is its own, however the requests of many are mingled."""
    rules = (rule("500", probability=0.5),)

    def outcome(order: list[str]) -> dict[str, list[str | None]]:
        counts, seen = FaultCounts(seed=3), dict[str, list[str | None]]()
        for prompt in order:
            seen.setdefault(prompt, []).append(select_fault(rules, counts, event(prompt), FaultMoment.BEFORE))
        return seen

    prompts = [f"shot {number}" for number in range(20)]
    apart = [prompt for prompt in prompts for _ in range(5)]
    mingled = [prompt for _ in range(5) for prompt in reversed(prompts)]
    assert outcome(apart) == outcome(mingled)


@pytest.mark.parametrize(("probability", "hit"), [(0, None), (1, "500")])
def test_never_and_always_are_exact(probability: int, hit: str | None) -> None:
    """0 never hits, 1 always does."""
    rules, counts = (rule("500", probability=probability),), FaultCounts()
    assert {select_fault(rules, counts, event(str(number)), FaultMoment.BEFORE) for number in range(100)} == {hit}
