"""A provider of another package: found by its entry point, planned, simulated, run over HTTP, refused when broken."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from acme_server import KEY, AcmeShop, acme

from kbatch.cli import main
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.own.card_faults import card_faults, seller_faults
from kbatch.pipeline.simulation import simulated_providers
from kbatch.providers import registry
from kbatch.providers.base import Answer, NotAccepted, NotNow, Provider, Reason, Unknown
from kbatch.providers.endpoints import seller_of
from kbatch.providers.guard import guarded
from kbatch.providers.plugins import wrong_facts
from kbatch.simulator.bill import as_document
from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings, build_app
from kbatch.storage import packaged, packaged_cards

TOY = Path(__file__).parent / "toy"
CAMPAIGN = """\
kbatch: 1
name: toy
provider: acme
budget: {max_credits: {acme: 20}, max_credits_per_job: 5}
rates: {acme: {usd_per_credit: 0.01}}
run: {concurrency: {acme: 2}}
defaults: {model: one}
shots:
  - {id: hero, prompt: a hill, params: {seconds: 8}}
  - {id: side, prompt: a lake}
"""
Install = Callable[..., Path]


@dataclass(frozen=True)
class Ended:
    """What a command ended with."""

    code: int
    out: str
    err: str


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages into a folder on the path, as pip leaves them there: code beside a `.dist-info`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def installed(entry: str = "acme = acme_kbatch:PLUGIN", *, name: str = "acme-kbatch", code: bool = True) -> Path:
        if code and not (site / "acme_kbatch").exists():
            shutil.copytree(TOY / "acme_kbatch", site / "acme_kbatch", ignore=shutil.ignore_patterns("__pycache__"))
        info = site / f"{name.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[kbatch.providers]\n{entry}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        registry.look_again()
        return site

    yield installed
    monkeypatch.undo()
    registry.look_again()
    for module in [name for name in sys.modules if name.startswith("acme_kbatch")]:
        del sys.modules[module]


@pytest.fixture
def kbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run commands in this process, in a folder with the campaign."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "toy.yaml").write_text(CAMPAIGN, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("KBATCH_POLL_SCALE", "0.001")

    def run(*args: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(args))
        printed = capsys.readouterr()
        return Ended(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[AcmeShop]:
    """Serve Acme on this machine, and let kbatch find it."""
    with acme() as server:
        monkeypatch.setenv("KBATCH_ACME_URL", server.url)
        monkeypatch.setenv("ACME_API_KEY", KEY)
        yield server


def states(path: str = "toy.lock.json") -> dict[str, str]:
    """Return the state of each job."""
    lockfile = json.loads(Path(path).read_text(encoding="utf-8"))
    return {name: lockfile["renders"][job["fingerprint"]]["state"] for name, job in lockfile["jobs"].items()}


def test_a_provider_of_another_package_is_checked_and_planned(install: Install, kbatch: Callable[..., Ended]) -> None:
    """The manifest names it wherever a provider is named; the plan has its prices, its totals and its jobs at once."""
    install()
    assert kbatch("check", "toy.yaml").code == 0
    plan = json.loads(kbatch("plan", "toy.yaml", "--format", "json").out)
    assert [(job["provider"], job["credits"]) for job in plan["jobs"]] == [("acme", 5), ("acme", 3)]
    assert plan["totals"]["acme"]["maximum"] == 8
    assert "$0.08" in kbatch("plan", "toy.yaml").out


def test_its_models_and_the_schema_for_editors_know_it(install: Install, kbatch: Callable[..., Ended]) -> None:
    """`models` lists and shows its cards, `schema manifest` completes its name, `doctor` says what key it needs."""
    install()
    assert "acme" in kbatch("models").out
    assert "acme/one: Acme One" in kbatch("models", "one").out
    schema = json.loads(kbatch("schema", "manifest").out)
    assert schema["$defs"]["provider"]["anyOf"][0]["enum"] == ["acme", "aimlapi", "apiframe"]
    doctor = kbatch("doctor", "toy.yaml")
    assert "Acme Clips" in doctor.out
    assert "ACME_API_KEY is not set" in doctor.out


def test_a_run_pays_it_once_for_each_clip(install: Install, kbatch: Callable[..., Ended], shop: AcmeShop) -> None:
    """Over HTTP each job is on the provider's bill once, however often the run is repeated, and its flags hold."""
    install()
    args = ("run", "toy.yaml", "--yes", "-j", "acme=2", "--max-credits", "acme=10")
    assert kbatch(*args).code == 0
    assert kbatch(*args).code == 0
    assert sorted(shop.bill) == [("a hill", 5), ("a lake", 3)]
    assert shop.keys == {KEY}
    assert set(states().values()) == {"done"}
    assert (Path("renders/hero.mp4").exists(), Path("renders/side.mp4").exists()) == (True, True)
    assert KEY not in Path("toy.lock.json").read_text(encoding="utf-8")
    assert "8 credits charged" in kbatch("status", "toy.yaml").out


def test_doctor_asks_its_balance(install: Install, kbatch: Callable[..., Ended], shop: AcmeShop) -> None:
    """`doctor` tries the key of a plug-in as any other."""
    install()
    assert "loopback answers, 1,000 credits" in kbatch("doctor", "toy.yaml").out


def test_a_ceiling_of_it_is_held(install: Install, kbatch: Callable[..., Ended], shop: AcmeShop) -> None:
    """`--max-credits acme=7` refuses a plan of 8 before anything is bought."""
    install()
    ended = kbatch("run", "toy.yaml", "--yes", "--max-credits", "acme=7")
    assert (ended.code, shop.bill) == (3, [])


def test_an_unknown_send_stays_unknown_with_the_providers_own_words(
    install: Install, kbatch: Callable[..., Ended], shop: AcmeShop
) -> None:
    """A paid send without an answer is never repeated; run, plan and status say where this provider is asked."""
    install()
    Path("toy.yaml").write_text(CAMPAIGN.replace("a lake", "a lost lake"), encoding="utf-8")
    words = "ask the help desk of Acme, then `kbatch reconcile` with `--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`"
    assert kbatch("run", "toy.yaml", "--yes").code == 4
    assert kbatch("run", "toy.yaml", "--yes").code == 4
    assert sorted(shop.bill) == [("a hill", 5), ("a lost lake", 3)]
    assert states() == {"hero": "done", "side": "unknown"}
    for command in ("plan", "status"):
        assert words in " ".join(kbatch(command, "toy.yaml").out.split()), command
    assert kbatch("reconcile", "toy.yaml", "--yes", "--adopt", "side=clip-2").code == 0
    assert states() == {"hero": "done", "side": "done"}
    assert len(shop.bill) == 2


def test_a_reader_that_raises_loses_and_repeats_nothing(
    install: Install, kbatch: Callable[..., Ended], shop: AcmeShop
) -> None:
    """A plug-in that cannot read an acceptance leaves an unknown send, which is told and never repeated."""
    _add(install(), "type(ACME).read_submit = lambda self, reply, *, first: 1 / 0")
    registry.look_again()
    ended = kbatch("run", "toy.yaml", "--yes")
    assert (ended.code, set(states().values())) == (4, {"unknown"})
    assert kbatch("run", "toy.yaml", "--yes").code == 4
    assert len(shop.bill) == 2
    told = " ".join(kbatch("status", "toy.yaml").out.split())
    assert "`read_submit` of the package acme-kbatch 1.5 raised ZeroDivisionError" in told
    assert "Traceback" not in ended.err


READERS = [name for name in vars(Provider) if name.startswith("read_")]
GARBAGE = Answer(status=200, body=b"{}")


@pytest.mark.parametrize("returns", [None, "text", "raises"])
@pytest.mark.parametrize("name", READERS)
def test_what_a_reader_may_not_return_becomes_the_safest_outcome(name: str, returns: str | None) -> None:
    """An unreadable answer is never taken for a refusal of a paid call, nor for an end of a job."""

    class Bad:
        def __getattr__(self, _name: str) -> Any:
            def read(*_args: object, **_named: object) -> object:
                if returns == "raises":
                    raise KeyError("id")
                return returns

            return read

    reader = getattr(guarded(cast(Provider, Bad()), "acme-kbatch 1.5"), name)
    outcome = reader(GARBAGE, first=True) if name == "read_submit" else reader(GARBAGE)
    safest = {"read_submit": Unknown, "read_upload": NotAccepted, "read_balance": NotAccepted}
    assert type(outcome) is safest.get(name, NotNow)
    assert "acme-kbatch 1.5" in outcome.message


def test_a_second_send_cannot_be_refused() -> None:
    """What a plug-in says of a resend is about the resend: the first send may stand."""

    class Hasty:
        def read_submit(self, _reply: object, *, first: bool) -> NotAccepted:
            return NotAccepted(reason=Reason.INVALID, message="no")

    read = guarded(cast(Provider, Hasty()), "hasty 1").read_submit
    assert type(read(GARBAGE, first=True)) is NotAccepted
    assert type(read(GARBAGE, first=False)) is Unknown


def test_the_packaged_providers_are_held_to_the_same() -> None:
    """What a plug-in must state, kbatch's own providers and cards state too."""
    form = strict_validator(json.loads(packaged("model-card.schema.json")))
    for name, provider in registry.PACKAGED.items():
        assert list(wrong_facts(name, provider)) == []
    for where, data in packaged_cards():
        assert list(card_faults(where.removeprefix("models/"), data, form)) == []
        written = json.loads(data)
        assert list(seller_faults(written, seller_of(registry.PACKAGED[written["provider"]]))) == []


def test_the_simulation_that_it_brings_is_played(install: Install, kbatch: Callable[..., Ended]) -> None:
    """`run --simulate` needs no key, renders, and repeats nothing."""
    install()
    for _ in range(2):
        assert kbatch("run", "toy.yaml", "--yes", "--simulate").code == 0
    assert set(states("toy.sim.lock.json").values()) == {"done"}


def test_the_simulator_serves_it_below_its_name(
    install: Install, kbatch: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a port of this machine its endpoints are under `/acme`, on one bill with the packaged providers."""
    install()
    app = build_app(SimulatorSettings(clips=False, latency_s=0, others=simulated_providers(["acme"])))
    with serving(SimulatorSettings(), app=app) as url:
        monkeypatch.setenv("KBATCH_ACME_URL", f"{url}/acme")
        monkeypatch.setenv("ACME_API_KEY", KEY)
        assert kbatch("run", "toy.yaml", "--yes").code == 0
    assert as_document(app.state.world.bill)["totals"]["acme"] == {"charged": 8, "refunded": 0}


def test_faults_strike_the_simulation_too(install: Install, kbatch: Callable[..., Ended]) -> None:
    """A faults file may name the provider; what has no form of its own has a plain one."""
    install()
    Path("faults.yaml").write_text("- {fault: lost-answer, provider: acme, match: lake}\n", encoding="utf-8")
    assert kbatch("run", "toy.yaml", "--yes", "--simulate", "--faults", "faults.yaml").code == 4
    assert states("toy.sim.lock.json") == {"hero": "done", "side": "unknown"}


def test_simulate_is_refused_where_no_simulation_is_brought(install: Install, kbatch: Callable[..., Ended]) -> None:
    """Without a simulation nothing is pretended; the refusal names the provider."""
    install("acme = acme_kbatch:WITHOUT_SIMULATION")
    ended = kbatch("run", "toy.yaml", "--yes", "--simulate")
    assert ended.code == 3
    assert "the package of the provider `acme` brings no simulation of it" in ended.err


def test_a_lockfile_is_read_where_the_package_is_not_installed(
    install: Install, kbatch: Callable[..., Ended], shop: AcmeShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receipts are what was paid: they stay readable in a clone that lacks the package."""
    site = install()
    assert kbatch("run", "toy.yaml", "--yes").code == 0
    shutil.rmtree(site / "acme_kbatch-1.5.dist-info")
    monkeypatch.syspath_prepend(str(site))
    registry.look_again()
    assert kbatch("lock", "check").code == 0
    ended = kbatch("plan", "toy.yaml")
    assert ended.code == 2
    assert "acme" in ended.err


BREAKAGES: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "no-module": ("acme = acme_kbatch.nowhere:PLUGIN", lambda site: None, "ModuleNotFoundError"),
    "raises": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _add(site, "raise RuntimeError('half installed')"),
        "half inst",
    ),
    "exits": ("acme = acme_kbatch:PLUGIN", lambda site: _add(site, "raise SystemExit(0)"), "SystemExit"),
    "no-plugin": ("acme = acme_kbatch.provider:ACME", lambda site: None, "not a kbatch.providers.base.Plugin"),
    "lacks-a-part": ("acme = acme_kbatch:PLUGIN", lambda site: _add(site, "del type(ACME).read_poll"), "`read_poll`"),
    "other-name": ("acmé = acme_kbatch:PLUGIN", lambda site: None, "it is called `acme`"),
    "no-cards": ("acme = acme_kbatch:PLUGIN", lambda site: _card(site).unlink(), "no model card"),
    "card-form": ("acme = acme_kbatch:PLUGIN", lambda site: _edit(site, '"rules": [],', ""), "'rules' is a required"),
    "card-not-json": ("acme = acme_kbatch:PLUGIN", lambda site: _edit(site, "{", "["), "not JSON"),
    "card-of-another": ("acme = acme_kbatch:PLUGIN", lambda site: _edit(site, '"acme"', '"apiframe"'), "is that of"),
    "card-without-a-price": ("acme = acme_kbatch:PLUGIN", lambda site: _edit(site, ', "8s": 5', ""), "has no price"),
    "card-of-an-endpoint": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _edit(
            site,
            '"rules": [],',
            '"rules": [], "endpoint": {"name": "v2", "why": "a", '
            '"source": {"title": "a", "publisher": "b", "read": "2026-11-30"}},',
        ),
        "`acme` has no endpoint `v2`",
    ),
    "endpoints-without-a-way": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _add(site, "type(ACME).endpoints = ('legacy', 'v2')"),
        "it has no `at_endpoint`",
    ),
    "key-of-another": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _add(site, "type(ACME).key_variable = 'APIFRAME_API_KEY'"),
        "which is that of the provider `apiframe`",
    ),
    "resends-by-a-flag": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _add(site, "type(ACME).resend_within = True"),
        "`resend_within` is neither None nor a timedelta",
    ),
    "plain-http": (
        "acme = acme_kbatch:PLUGIN",
        lambda site: _add(site, "type(ACME).base_url = 'http://acme.example'"),
        "not https",
    ),
}


def _add(site: Path, line: str) -> None:
    with (site / "acme_kbatch" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def _card(site: Path) -> Path:
    return site / "acme_kbatch" / "cards" / "one.json"


def _edit(site: Path, old: str, new: str) -> None:
    text = _card(site).read_text(encoding="utf-8")
    assert old in text
    _card(site).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("fault", BREAKAGES)
def test_a_broken_plug_in_is_one_message_and_breaks_nothing_else(
    fault: str, install: Install, kbatch: Callable[..., Ended]
) -> None:
    """The message names provider, package and cause; the packaged providers go on."""
    entry, damage, cause = BREAKAGES[fault]
    damage(install(entry))
    registry.look_again()
    ended = kbatch("models")
    assert ended.code == 0
    assert "kling-2.6" in ended.out
    assert ended.err.count("warning") == 1
    assert "of the package acme-kbatch 1.5 cannot be used" in ended.err
    assert cause in ended.err
    assert "Traceback" not in ended.err
    doctor = kbatch("doctor", "nothing.yaml")
    assert ("wrong   plug-in" in doctor.out, "Apiframe" in doctor.out) == (True, True)
    if fault != "other-name":
        planned = kbatch("plan", "toy.yaml")
        assert planned.code == 2
        assert "of the package acme-kbatch 1.5 cannot be used" in planned.err
        assert "toy.yaml:3:" in planned.err


def test_the_name_of_a_packaged_provider_is_not_taken(install: Install, kbatch: Callable[..., Ended]) -> None:
    """`apiframe` stays kbatch's own; the plug-in is said to be unusable."""
    install("apiframe = acme_kbatch:PLUGIN")
    ended = kbatch("models")
    assert "kbatch has a provider of that name" in ended.err
    assert registry.provider_of("apiframe") is registry.PACKAGED["apiframe"]
    assert registry.plugin_of("apiframe") is None


def test_two_packages_with_one_name_are_both_refused(install: Install, kbatch: Callable[..., Ended]) -> None:
    """Which of two is meant is never guessed."""
    install()
    install(name="other-acme")
    ended = kbatch("plan", "toy.yaml")
    assert ended.code == 2
    assert "acme-kbatch 1.5 and other-acme 1.5" in ended.err
    assert "several packages bring it" in ended.err


@pytest.mark.parametrize("flag", [("-j", "acmee=2"), ("--max-credits", "acmee=2")], ids=["jobs", "credits"])
def test_a_misspelt_name_is_told_with_the_installed_ones(
    flag: tuple[str, str], install: Install, kbatch: Callable[..., Ended]
) -> None:
    """Flags know the names of plug-ins, and so what was meant."""
    install()
    ended = kbatch("run", "toy.yaml", "--yes", *flag)
    assert ended.code == 2
    assert "did you mean `acme`?" in ended.err


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "toy.yaml"]], ids=["help", "plan"])
def test_a_start_without_such_a_provider_looks_for_none(arguments: list[str], kbatch: Callable[..., Ended]) -> None:
    """Installed packages are not looked through while all names are kbatch's own: that costs more than a start."""
    own = {
        "acme": "apiframe",
        "model: one": "model: kling-2.6",
        "seconds: 8": "duration: 5",
        "per_job: 5": "per_job: 50",
    }
    text = CAMPAIGN
    for old, new in own.items():
        text = text.replace(old, new)
    Path("toy.yaml").write_text(text, encoding="utf-8")
    code = "import sys; from kbatch.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print('importlib.metadata' in sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert "hero" in ran.stdout or arguments == ["--help"]
    assert ran.stderr.splitlines()[-1] == "False"
