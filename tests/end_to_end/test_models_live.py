"""`kbatch models --live` and `--diff`, and the doctor: drift is an exit code, and a silent list another one."""

import json
from typing import Any

import pytest

from kbatch.cli import main
from tests.campaign_rig import Rig


def models(rig: Rig, *args: str) -> tuple[int, str]:
    """Run `kbatch models` in this process; return its code and what it printed."""
    rig.capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["models", *args])
    return int(end.value.code or 0), rig.capsys.readouterr().out


def at_lists(fault: str, **more: Any) -> dict[str, Any]:
    """Return a fault of the price lists."""
    return {"fault": fault, "at": "models", **more}


NAMED = "apiframe/kling-2.6"


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        ([], 0, "no card differs from its provider's list"),
        ([at_lists("price-raised", match="kling-2.6")], 1, "differs: 15–40 on the card, 41–81 a clip in the list"),
        ([at_lists("price-gone", match="kling-2.6")], 1, "differs: not in the list any more"),
        ([at_lists("price-mode", match="kling-2.6")], 1, "by the clip on the card, by the second in the list"),
        ([at_lists("price-malformed", match="kling-2.6")], 5, "not read: `costMin` is no amount"),
        ([at_lists("503")], 5, "not read: "),
    ],
    ids=["same", "raised", "gone", "mode", "malformed", "down"],
)
def test_the_difference_is_an_exit_code(both: Rig, faults: list[dict[str, Any]], code: int, words: str) -> None:
    """1 for drift, 5 for a list that could not be read, 0 for neither; the JSON says the same."""
    both.faults(*faults)
    ended, said = models(both, NAMED, "--diff")
    assert (ended, words in said) == (code, True), said
    ended, said = models(both, NAMED, "--diff", "--format", "json")
    (row,) = json.loads(said)["models"]
    assert (ended, bool(row["drift"]), bool(row["unread"])) == (code, code == 1, code == 5)


def test_published_prices_stand_beside_the_cards(rig: Rig) -> None:
    """--live shows each model, its list's words and the time; drift alone is no failure of it."""
    rig.faults(at_lists("price-raised"))
    ended, said = models(rig, NAMED, "--live")
    assert (ended, "15–40 on the card" in said, "asked http://127.0.0.1" in said) == (0, True, True)
    rig.faults()
    ended, said = models(rig, "kling-video/v2.1/pro/image-to-video", "--live")
    assert (ended, "unknown on the card, 1,312,500–2,625,000 a clip in the list" in said) == (0, True)


def test_the_doctor_asks_no_list_of_a_provider_without_a_key(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no key of a provider does not use it: nothing is asked there, and nothing is wrong."""
    monkeypatch.delenv("AIMLAPI_API_KEY")
    rig.capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["doctor", "--format", "json"])
    names = {one["name"] for one in json.loads(rig.capsys.readouterr().out)["findings"]}
    assert ("Apiframe prices" in names, "AI/ML API prices" in names) == (True, False)


@pytest.mark.parametrize(
    ("fault", "words"), [(None, ""), ("price-lowered", "apiframe/kling-2.6: 15–40 on the card"), ("503", "HTTP 503")]
)
def test_the_doctor_holds_the_cards_against_the_lists(rig: Rig, fault: str | None, words: str) -> None:
    """A list that contradicts a card, or that cannot be read, is something wrong."""
    rig.faults(*([at_lists(fault, provider="apiframe")] if fault else []))
    rig.capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["doctor", "--format", "json"])
    found = {one["name"]: one for one in json.loads(rig.capsys.readouterr().out)["findings"]}
    said = found["Apiframe prices"]
    assert (said["good"] is not False or "kling-2.6" not in said["words"]) if fault is None else said["good"] is False
    assert words in said["words"]
