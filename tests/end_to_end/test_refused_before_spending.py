"""What is refused before anything is sent: no request that costs leaves, no receipt is written."""

import shutil

import pytest

from tests.campaign_rig import Rig

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse}\n"


def unspent(rig: Rig) -> bool:
    """Whether nothing was submitted and no receipt exists."""
    return rig.bill()["requests"]["submit"] == 0 and not list(rig.folder.glob("*.lock.json"))


def test_a_balance_below_the_plan_is_refused_with_the_numbers(both: Rig) -> None:
    """Exit 3, and the message has what there is and what is needed."""
    both.open(credits={"apiframe": 3, "aimlapi": 0})
    both.write(ONE)
    said = both.run()
    assert said.code == 3
    assert "has 3 credits" in said.err
    assert "maximum is 4" in said.err
    assert unspent(both)
    both.open(credits={"apiframe": 4, "aimlapi": 0})
    assert both.run().code == 0, "exactly what is needed is enough"


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        pytest.param("KBATCH_APIFRAME_URL", "http://127.0.0.1:9", 5, "cannot be asked", id="unreachable-host"),
        pytest.param("APIFRAME_API_KEY", "bad-key", 5, "the key is refused", id="wrong-key"),
        pytest.param("APIFRAME_API_KEY", "", 3, "APIFRAME_API_KEY is not set", id="missing-key"),
        pytest.param("KBATCH_APIFRAME_URL", "http://example.com", 2, "plain http", id="plain-http"),
    ],
)
def test_an_account_that_cannot_pay(rig: Rig, variable: str, value: str, code: int, words: str) -> None:
    """A host that does not answer and a wrong key are 5, a missing key is 3, plain http elsewhere is 2."""
    rig.write(ONE)
    rig.monkeypatch.setenv(variable, value)
    said = rig.run()
    assert said.code == code
    assert words in said.err
    assert unspent(rig)


def test_a_redirected_balance_is_no_balance(rig: Rig) -> None:
    """A balance that is elsewhere now is exit 5, and the key does not follow it there."""
    rig.write(ONE)
    app = rig.stage.app

    async def redirected(scope, receive, send):
        if scope["path"] != "/v2/me":
            return await app(scope, receive, send)
        place = rig.stage.url.replace("127.0.0.1", "localhost") + "/__elsewhere/v2/me"
        await send({"type": "http.response.start", "status": 307, "headers": [(b"location", place.encode())]})
        await send({"type": "http.response.body", "body": b""})

    rig.stage.app = redirected
    said = rig.run()
    assert said.code == 5
    assert unspent(rig)
    assert rig.bill()["warnings"] == []


def test_no_terminal_means_a_ceiling_and_consent(rig: Rig) -> None:
    """Without a terminal a real run needs `--yes` and a ceiling, else it is exit 3; a digest is consent too."""
    rig.write(ONE + "budget: {}\n")
    assert "no-ceiling" in rig.run().err
    assert rig.run().code == 3
    assert rig.kbatch("run").code == 3
    digest = rig.kbatch("plan", "--format", "json").json["digest"]
    assert rig.kbatch("run", "--approve", "sha256:" + "0" * 64).code == 3
    assert unspent(rig)
    assert rig.kbatch("run", "--approve", digest).code == 0
    assert len(rig.charges()) == 1


def test_a_ceiling_below_the_plan(rig: Rig) -> None:
    """`--max-credits`, the budget and the limit for one job refuse, in `plan` too; what was charged before counts."""
    rig.write(ONE)
    assert rig.run("--max-credits", "3").code == 3
    assert rig.kbatch("plan", "--max-credits", "3").code == 3
    assert unspent(rig)
    assert rig.run("--max-credits", "4").code == 0
    rig.write(ONE.replace("shots:\n", "budget: {max_credits: 7}\nshots:\n  - {id: two, model: kling-2.1, prompt: b}\n"))
    said = rig.run()
    assert said.code == 3
    assert "4 already charged" in said.err
    rig.write("budget: {max_credits_per_job: 3}\n" + ONE + "  - {id: two, model: kling-2.1, prompt: b}\n")
    assert rig.run("--max-credits", "100").code == 3
    assert len(rig.charges()) == 1


@pytest.mark.parametrize("args", [("--max-credits", "apifrane=4"), ("-j", "apifrane=4")], ids=["ceiling", "jobs"])
def test_a_limit_of_a_provider_that_there_is_not(rig: Rig, args: tuple[str, str]) -> None:
    """A provider's name with a slip in it would be no limit at all: exit 2, with the name that was meant."""
    rig.write(ONE)
    said = rig.run(*args)
    assert said.code == 2
    assert "did you mean `apiframe`?" in said.err
    assert unspent(rig)


def test_receipts_of_two_origins_are_not_mixed(rig: Rig) -> None:
    """A lockfile with receipts of another origin is refused and says how to go on, also when all would be reused."""
    rig.write(ONE)
    assert rig.run().code == 0
    lockfile = rig.folder / "campaign.lock.json"
    lockfile.write_text(lockfile.read_text().replace('"loopback"', '"https://api.apiframe.ai"'))
    shutil.rmtree(rig.folder / ".kbatch")
    for body in (ONE + "  - {id: two, model: kling-2.1, prompt: b}\n", ONE):
        rig.write(body)
        said = rig.run()
        assert said.code == 3
        assert "mixed-origins" in said.err
    assert len(rig.charges()) == 1


def test_a_renamed_manifest_finds_its_receipts(rig: Rig) -> None:
    """A manifest that was renamed is refused and told which lockfile is its own, instead of buying all anew."""
    rig.write(ONE)
    assert rig.run().code == 0
    rig.write(ONE, name="renamed.yaml")
    said = rig.run()
    assert said.code == 3
    assert "campaign.lock.json" in said.err
    assert rig.run("--lockfile", str(rig.folder / "campaign.lock.json")).code == 0
    assert len(rig.charges()) == 1


def test_locked_buys_nothing(rig: Rig) -> None:
    """`--locked` is exit 3 while something would be bought, and 0 afterwards."""
    rig.write(ONE)
    assert rig.run("--locked").code == 3
    assert unspent(rig)
    assert rig.run().code == 0
    assert rig.run("--locked").code == 0


def test_unknown_and_lowered_prices_need_a_word(rig: Rig) -> None:
    """A job without a price needs `--allow-unpriced`, a price below its card `--trust-prices`; else exit 3."""
    rig.trusting = False
    rig.write("shots:\n  - {id: one, provider: aimlapi, model: kling-video/v2.1/pro/image-to-video, prompt: p,"
              " params: {image_url: \"https://example.com/a.png\"}}\n")  # fmt: skip
    assert "unpriced" in rig.run().err
    assert unspent(rig)
    said = rig.run("--allow-unpriced", "1")
    assert said.code == 0, said.err
    assert said.json["credits"]["aimlapi"]["unexplained"] == 0
    rig.write(ONE + "prices: {apiframe/kling-2.5-turbo-pro: {credits: 1}}\n")
    assert "price-lowered" in rig.run().err
    assert len(rig.charges()) == 1
