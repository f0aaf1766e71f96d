"""Questions for a new model card, on a terminal: each answer is a word that a flag takes too."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from kbatch.cli.ui import console
from kbatch.models.own.new_card import PARAMETER_FORM, TYPES, read_amount, read_parameter
from kbatch.pipeline.cards.new_card_file import ProviderFacts
from kbatch.providers.registry import NAMES

Value = TypeVar("Value")

_PARAMETERS = (
    f"Parameters, one a line, as {PARAMETER_FORM}; an empty line ends them. TYPE is {', '.join(TYPES)}. Such as:",
    "  duration:integer:5=5,10   a default, and the values that are taken",
    "  cfg_scale:number=0..1   no default, a range",
    "  generate_audio:boolean:true   start_image:picture   negative_prompt:text=..2500",
)


def ask_names(flags: dict[str, Any]) -> None:
    """Ask for what names a card, where no flag says it."""
    questions = {
        "provider": (f"provider ({', '.join(NAMES)})", _one_of(NAMES)),
        "model": ("model, as the API takes it", _needed),
        "source_title": ("title of the vendor's page", _needed),
    }
    for name, (question, read) in questions.items():
        flags[name] = flags[name] or _answered(question, read)


def ask_parameters(flags: dict[str, Any], facts: ProviderFacts) -> None:
    """Ask for the body's key and for the parameters, where no flag says them."""
    if flags["body"] is None and len(facts.body_keys) > 1:
        known = ", ".join(key or "-" for key in facts.body_keys)
        flags["body"] = _answered(f"key that the parameters stand under (`-` for none; others have {known})", _needed)
    if flags["params"]:
        return
    if facts.endpoints and not flags["endpoint"]:
        question = f"endpoint that the page names ({', '.join(facts.endpoints)})"
        flags["endpoint"] = _answered(question, _one_of(facts.endpoints), facts.endpoints[0])
    for line in _PARAMETERS:
        console.say(line)
    found: list[str] = []
    while text := _answered("parameter", _parameter):
        found.append(text)
    flags["params"] = tuple(found)
    names = [text.partition(":")[0] for text in found]
    if not flags["required"]:
        flags["required"] = _answered("which of them does a request need (empty: none)", _some_of(names))
        flags["prompt_optional"] = _answered("is the prompt needed", _one_of(("yes", "no")), "yes") == "no"


def ask_length(flags: dict[str, Any]) -> None:
    """Ask how long the clip is, where no parameter has a usual name."""
    length = _answered("which parameter is the clip's length, or how many seconds is it", _needed)
    flags["delivers"] = (*flags["delivers"], f"duration={length}")


def ask_pricing(flags: dict[str, Any], unit: str) -> None:
    """Ask what a price is for, and on what it depends."""
    names = [text.partition(":")[0] for text in flags["params"]]
    flags["per"] = flags["per"] or _answered("one price is for a", _one_of(("clip", "second", "output")), "clip")
    if flags["per"] == "output" and not flags["outputs"]:
        flags["outputs"] = _answered("which parameter says how many outputs are made", _one_of(names))
    if not flags["usd"]:
        flags["usd"] = _answered("prices are in", _one_of((unit, "USD")), unit) == "USD"
    flags["priced_by"] = flags["priced_by"] or _answered(
        "which parameters change the price (empty: none)", _some_of(names)
    )


def ask_prices(flags: dict[str, Any], variants: Iterable[str], unit: str) -> None:
    """Ask for the price of each variant."""
    what = f"{'USD' if flags['usd'] else unit} a {flags['per']}"
    flags["prices"] = tuple(
        f"{name}={_answered(f'{name}: {what} (or `unknown`)', _amount(usd=flags['usd']))}" for name in variants
    )


def _answered(question: str, read: Callable[[str], Value], default: str | None = None) -> Value:
    """Ask until the answer can be read; `read` raises ValueError with what is wrong."""
    while True:
        try:
            return read(console.ask_text(question, default))
        except ValueError as error:
            console.say(str(error))


def _needed(text: str) -> str:
    if not text:
        raise ValueError("this cannot be left out")
    return text


def _parameter(text: str) -> str:
    found = read_parameter(text) if text else None
    if isinstance(found, str):
        raise ValueError(found)
    return text


def _amount(*, usd: bool) -> Callable[[str], str]:
    def read(text: str) -> str:
        read_amount(text, usd=usd)
        return text

    return read


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    known = tuple(names)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"`{text}` is none of: {', '.join(known)}")
        return text

    return read


def _some_of(names: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    read = _one_of(names)
    return lambda text: tuple(read(word) for word in text.replace(",", " ").split())
