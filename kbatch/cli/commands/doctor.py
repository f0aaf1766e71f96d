"""`kbatch doctor`: keys present (never shown), providers reachable, balances, lock writable, FFmpeg's libraries."""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio
import click

from kbatch._version import DISTRIBUTION, version
from kbatch.cli.options import format_choice
from kbatch.cli.ui import console
from kbatch.errors import ExitCode, Invalid, KbatchError
from kbatch.pipeline.load import load
from kbatch.pipeline.load_state import lockfile_path
from kbatch.pipeline.simulation import can_simulate
from kbatch.providers.base import Balance, Provider
from kbatch.providers.http.client import Engine
from kbatch.providers.registry import NAMES, full_catalog, plugin_faults, provider_of
from kbatch.report.data.format import harmless
from kbatch.report.text import published
from kbatch.runner.endpoints import origin_of
from kbatch.runner.open_sessions import Endpoints, engine_of, open_sessions
from kbatch.runner.preflight.account import ask_balance
from kbatch.runner.preflight.price_lists import ask_price_lists
from kbatch.runner.preflight.writable_outputs import unwritable_clips
from kbatch.storage import LinkRefused, Lock, names_in

_EXAMPLES = """\b
Examples:
  kbatch doctor
  kbatch doctor campaign.yaml --format json
"""
_MANIFESTS = 20
"""Manifests of a folder that are looked at; a folder of hundreds is looked at by naming some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFinding:
    """One thing that was looked at: `good` is None where it does not matter yet."""

    name: str
    good: bool | None
    words: str


@click.command("doctor", epilog=_EXAMPLES)
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...", type=click.Path(path_type=Path))
@format_choice("text", "json")
def command(manifests: tuple[Path, ...], form: str) -> int:
    """Check keys, providers, balances and this machine; exits with 1 when something is wrong. Costs nothing.

    The folders of MANIFEST's clips are tried too, by default of the manifests in this folder.
    """
    findings = [*_machine(), *_folders(manifests), *anyio.run(_providers)]
    if form == "json":
        console.show_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = {True: "ok     ", False: "wrong  ", None: "missing"}[finding.good]
            click.echo(f"{mark} {finding.name:<20} {harmless(finding.words)}")
    return ExitCode.NOT_AS_ASKED if any(finding.good is False for finding in findings) else ExitCode.OK


def _machine() -> Iterator[DoctorFinding]:
    yield DoctorFinding(name="kbatch", good=True, words=f"{DISTRIBUTION} {version()}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Lock(Path(folder) / "lock"):
                yield DoctorFinding(name="lock", good=True, words="the system's file lock works")
        except (KbatchError, OSError) as error:
            yield DoctorFinding(name="lock", good=False, words=str(error))
    writable = os.access(Path.cwd(), os.W_OK)
    yield DoctorFinding(
        name="folder", good=writable, words="writable" if writable else "not writable: no journal, no run"
    )
    av = find_spec("av") is not None
    words = "PyAV is there" if av else "PyAV is not installed: frames of clips need the extra `media`"
    yield DoctorFinding(name="FFmpeg libraries", good=av or None, words=words)
    yield _engine()
    sim = can_simulate()
    words = "installed" if sim else "not installed: --simulate needs the extra `sim`"
    yield DoctorFinding(name="simulator", good=sim or None, words=words)


def _folders(manifests: tuple[Path, ...]) -> Iterator[DoctorFinding]:
    """Try the folders where clips are to go; a manifest that is not right is for `kbatch check`."""
    found = manifests or tuple(path for ending in ("*.yaml", "*.yml") for path in names_in(Path(), ending))
    for path in found[:_MANIFESTS]:
        try:
            loaded = load(path)
            state = lockfile_path(path, simulated=False, chosen=None).parent / ".kbatch"
            places = [*(job.draft.output for job in loaded.jobs), f"{loaded.settings.output_root}/.kept/x"]
            troubles = [*unwritable_clips(loaded.folder, places, probe=True)]
            troubles += unwritable_clips(state, ["x", "history/x"], probe=True)
        except (KbatchError, LinkRefused) as error:
            if manifests:
                yield DoctorFinding(name=path.name, good=False, words=str(error))
            continue
        words = "; ".join(troubles) or f"clips and state can be written: {loaded.folder / loaded.settings.output_dir}"
        yield DoctorFinding(name=path.name, good=not troubles, words=words)


def _engine() -> DoctorFinding:
    """Which HTTP library sends; the slower one will do, but for many jobs at once."""
    try:
        engine = engine_of(os.environ) or Engine.best()
    except Invalid as error:
        return DoctorFinding(name="HTTP", good=False, words=error.problems[0].message)
    better = "" if engine is Engine.AIOHTTP else "; the extra `fast` sends many jobs at once with less work"
    return DoctorFinding(name="HTTP", good=True, words=f"{engine.value} sends{better}")


async def _providers() -> list[DoctorFinding]:
    faults = plugin_faults()
    findings = [DoctorFinding(name="plug-in", good=False, words=f"{one.message} ({one.hint})") for one in faults]
    wiring = Endpoints(environment=os.environ)
    for name in NAMES:
        try:
            provider = provider_of(name)
        except Invalid:
            continue
        if not os.environ.get(provider.key_variable, "").strip():
            words = f"{provider.key_variable} is not set"
            findings.append(DoctorFinding(name=provider.title, good=None, words=words))
            continue
        try:
            async with open_sessions([provider.name], wiring) as lines:
                lines[provider.name].on_wait = console.say
                answer = await ask_balance(lines[provider.name], tries=2)
                where = origin_of(provider, os.environ)
        except KbatchError as error:
            findings.append(DoctorFinding(name=provider.title, good=False, words=error.message))
            continue
        if isinstance(answer, Balance):
            places = f", {answer.max_concurrent} jobs at once" if answer.max_concurrent else ""
            words = f"{provider.key_variable} is set, {where} answers, {answer.credits:,} {provider.unit}{places}"
            findings.append(DoctorFinding(name=provider.title, good=True, words=words))
        else:
            findings.append(DoctorFinding(name=provider.title, good=False, words=f"{where}: {answer.message}"))
        findings += await _prices(provider)
    return findings


async def _prices(provider: Provider) -> list[DoctorFinding]:
    """Hold the cards of a provider against its public price list; what was not read is no agreement."""
    cards = [card for card in full_catalog().cards if card.provider == provider.name]
    lists = await ask_price_lists({provider.name: [card.model for card in cards]}, os.environ)
    if provider.name not in lists:
        return []
    name = f"{provider.title} prices"
    rows = published.rows(cards, lists)
    wrong = [f"{row.model}: {row.drift or row.unread}" for row in rows if row.contradicts or row.unread]
    if wrong:
        return [DoctorFinding(name=name, good=False, words="; ".join(dict.fromkeys(wrong)))]
    wider = "".join(f"; {row.model}: {row.drift}" for row in rows if row.drift)
    words = f"{rows[0].source} contradicts none of {len(rows)} cards{wider}"
    return [DoctorFinding(name=name, good=True, words=words)]
