"""Findings: one problem a place and code, counted by job, in the order of the file."""

from small_manifests import document_of

from kbatch.errors import Hit, Mark, Severity
from kbatch.manifest.findings import Findings
from kbatch.manifest.templates.faults import Fault, say_fault
from kbatch.manifest.yaml.source import SourceText

TEXT = "a: 1\nb: [x, y]\nc: |\n  one\n  two {{ word }}\n"


def findings() -> Findings:
    """Return no findings in a small document."""
    return Findings(document_of(TEXT, "folder/m.yaml"))


def test_one_place_and_code_is_one_problem_with_its_jobs() -> None:
    """The first message stays; jobs are counted, each only once whatever number of times it complains."""
    found = findings()
    for address in ("hero", "hero", "hero@2"):
        found.say("too-long", ("a",), f"too long in {address}", jobs=(address, 4))
    (problem,) = found.problems()
    assert problem.message == "too long in hero"
    assert problem.jobs == Hit(hit=2, of=4, first="hero")


def test_other_codes_places_words_and_messages_are_other_problems() -> None:
    """Nothing is merged that a reader would want to know apart."""
    found = findings()
    found.say("x", ("a",), "m", jobs=("hero", 1))
    found.say("y", ("a",), "m", jobs=("hero", 1))
    found.say("x", ("b",), "m", jobs=("hero", 1))
    found.say("x", ("b", 0), "m", jobs=("hero", 1))
    found.say("x", ("a",), "one")
    found.say("x", ("a",), "two")
    found.say("x", ("a",), "two")
    assert len(found.problems()) == 6


def test_problems_stand_in_the_order_of_the_file() -> None:
    """By line and column, not by when they were met."""
    found = findings()
    for where in (("c",), ("b", 1), ("a",), ("b", 0)):
        found.say("x", where, f"at {where}")
    assert [(one.mark.line, one.mark.column) for one in found.problems() if one.mark] == [
        (1, 4),
        (2, 5),
        (2, 8),
        (3, 4),
    ]


def test_only_errors_are_fatal() -> None:
    """Warnings alone stop nothing."""
    found = findings()
    found.say("x", ("a",), "m", severity=Severity.WARNING)
    assert not found.fatal
    found.say("y", ("a",), "m")
    assert found.fatal


def test_a_word_or_a_key_narrows_the_place() -> None:
    """The caret goes to the word inside the value, or to the key."""
    found = findings()
    found.say("x", ("c",), "m", word="word")
    found.say("y", ("c",), "m", on_key=True)
    assert [(one.code, one.mark.line, one.mark.column) for one in found.problems() if one.mark] == [
        ("y", 3, 1),
        ("x", 5, 10),
    ]


def test_a_fault_finds_its_place() -> None:
    """By word, by line of a literal block, inside a list, in a prompt file, or in an imported file."""
    found = findings()
    prompt = SourceText("folder/p.txt", "one\n{{ two }}")
    say_fault(found, Fault("by-word", "m", word="word", line=1), ("c",))
    say_fault(found, Fault("by-line", "m", line=2), ("c",))
    say_fault(found, Fault("in-list", "m", at=(1,)), ("b",))
    say_fault(found, Fault("in-file", "m", word="two"), ("a",), file=prompt)
    say_fault(found, Fault("in-file-by-line", "m", line=1), ("a",), file=prompt)
    say_fault(found, Fault("names-the-file", "m"), ("a",), file=prompt)
    imported = Mark(file="words.j2", line=7, column=1)
    say_fault(found, Fault("imported", "m", mark=imported), ("a",))
    places = {one.code: (one.mark.file, one.mark.line, one.mark.column) for one in found.problems() if one.mark}
    assert places == {
        "by-word": ("folder/m.yaml", 5, 10),
        "by-line": ("folder/m.yaml", 5, 3),
        "in-list": ("folder/m.yaml", 2, 8),
        "in-file": ("folder/p.txt", 2, 4),
        "in-file-by-line": ("folder/p.txt", 1, 1),
        "names-the-file": ("folder/m.yaml", 1, 4),
        "imported": ("folder/words.j2", 7, 1),
    }
