"""`kbatch doctor`: keys present (never shown), providers reachable, balances, lock writable, FFmpeg's libraries."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import click

from kbatch._version import DISTRIBUTION, version
from kbatch.cli.options import account, format_choice, read_accounts
from kbatch.cli.ui import console
from kbatch.errors import ExitCode, Invalid, KbatchError
from kbatch.pipeline.load import load
from kbatch.pipeline.load_state import lockfile_path
from kbatch.pipeline.simulation import can_simulate
from kbatch.planner.payers import DEFAULT
from kbatch.providers.account_keys import accounts_in, key_of, key_variable_of
from kbatch.providers.base import Balance, Provider
from kbatch.providers.http.client import Engine
from kbatch.providers.registry import NAMES, full_catalog, plugin_faults, provider_of
from kbatch.receipts.account import account_of
from kbatch.report.data.format import harmless
from kbatch.report.text import published
from kbatch.runner.base_urls import origin_of
from kbatch.runner.limits.retry import DIAGNOSIS_TRIES
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
    account: Mapping[str, Any] | None = None


def _as_json(finding: DoctorFinding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if name != "account" or value is not None}


@click.command("doctor", epilog=_EXAMPLES)
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...", type=click.Path(path_type=Path))
@account
@format_choice("text", "json")
def command(manifests: tuple[Path, ...], accounts: tuple[str, ...], form: str) -> int:
    """Check keys, providers, balances and this machine; exits with 1 when something is wrong. Costs nothing.

    The folders of MANIFEST's clips are tried too, by default of the manifests in this folder. Every account is shown
    whose key is in the environment, or that a manifest names.
    """
    stated: dict[str, set[str]] = {}
    findings = [*_machine(), *_folders(manifests, stated), *anyio.run(_providers, stated, read_accounts(accounts))]
    if form == "json":
        console.show_json({"findings": [_as_json(finding) for finding in findings]})
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


def _folders(manifests: tuple[Path, ...], stated: dict[str, set[str]]) -> Iterator[DoctorFinding]:
    """Try the folders where clips are to go, and note the accounts that are `stated` by provider.

    A manifest that is not right is for `kbatch check`.
    """
    found = manifests or tuple(path for ending in ("*.yaml", "*.yml") for path in names_in(Path(), ending))
    for path in found[:_MANIFESTS]:
        try:
            loaded = load(path)
            for provider, weights in loaded.settings.accounts.items():
                stated.setdefault(provider, set()).update(weights)
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


async def _providers(
    stated: Mapping[str, set[str]], chosen: Mapping[str | None, Mapping[str, int]]
) -> list[DoctorFinding]:
    faults = plugin_faults()
    findings = [DoctorFinding(name="plug-in", good=False, words=f"{one.message} ({one.hint})") for one in faults]
    for name in NAMES:
        try:
            provider = provider_of(name)
        except Invalid:
            continue
        wanted = tuple(chosen.get(name) or chosen.get(None) or ())
        here = accounts_in(provider, os.environ)
        accounts = wanted or tuple(dict.fromkeys((*here, *sorted(stated.get(name, ()))))) or (DEFAULT,)
        teams: dict[str, str] = {}
        findings += [await _account(provider, account, teams, needed=account in wanted) for account in accounts]
        if here:  # without a key the provider is not used
            findings += await _prices(provider)
    return findings


async def _account(provider: Provider, account: str, teams: dict[str, str], *, needed: bool) -> DoctorFinding:
    """Try one account's key; `teams` has the first account of each team, since a team's credits are one balance."""
    title = provider.title if account == DEFAULT else f"{provider.title} ({account})"
    variable = key_variable_of(provider, account)
    if not key_of(provider, account, os.environ):
        bad = False if needed else None
        return DoctorFinding(name=title, good=bad, words=f"{variable} is not set")
    try:
        async with open_sessions({provider.name: (account,)}, Endpoints(environment=os.environ)) as opened:
            session = opened[provider.name][account]
            session.on_wait = console.say
            answer = await ask_balance(session, tries=DIAGNOSIS_TRIES)
            where = origin_of(provider, os.environ)
    except KbatchError as error:
        return DoctorFinding(name=title, good=False, words=error.message)
    if not isinstance(answer, Balance):
        return DoctorFinding(name=title, good=False, words=f"{where}: {answer.message}")
    known = account_of(session.account)
    words = f"{variable} is set, {where} answers, {answer.credits:,} {provider.unit}"
    words += f", {answer.max_concurrent} jobs at once" if answer.max_concurrent else ""
    words += f", role {answer.role}" if answer.role else ""
    words += f", {known}" if known.team or known.user else ""
    first = teams.setdefault(known.team, account) if known.team else account
    words += f"; one team with {first}: these credits are the same" if first != account else ""
    told = {
        "provider": provider.name,
        "name": account,
        "team": known.team,
        "user": known.user,
        "key": known.key,
        "role": answer.role,
        "credits": answer.credits,
        "max_concurrent": answer.max_concurrent,
    }
    return DoctorFinding(name=title, good=True, words=words, account=told)


async def _prices(provider: Provider) -> list[DoctorFinding]:
    """Hold the cards of a provider against its public price list; what was not read is no agreement."""
    cards = [card for card in full_catalog().cards if card.provider == provider.name]
    lists = await ask_price_lists({provider.name: [card.model for card in cards]}, os.environ)
    if provider.name not in lists:
        return []
    name = f"{provider.title} prices"
    rows = published.rows(cards, lists)
    wrong = [
        f"{row.model}: {row.drift or row.unread}" if row.asked_at else str(row.unread)  # or the whole list is unread
        for row in rows
        if row.contradicts or row.unread
    ]
    if wrong:
        return [DoctorFinding(name=name, good=False, words="; ".join(dict.fromkeys(wrong)))]
    wider = "".join(f"; {row.model}: {row.drift}" for row in rows if row.drift)
    words = f"{rows[0].source} contradicts none of {len(rows)} cards{wider}"
    return [DoctorFinding(name=name, good=True, words=words)]
