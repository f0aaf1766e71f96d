"""A run without work ends at once, without an event loop or HTTP, with the same result as a full run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kbatch.cli.main import main
from kbatch.pipeline.load import load
from kbatch.providers.registry import PACKAGED
from kbatch.receipts.event_data import Began
from kbatch.receipts.events import Fact, stamp
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import NO_MEDIA, Credits, Media, Output, Receipt, ReceiptError, ReceiptState
from kbatch.receipts.store import load as load_state
from kbatch.receipts.store import save

HEAD = (
    "kbatch: 1\nname: idle\nprovider: apiframe\ndefaults: {model: kling-2.5-turbo-pro}\nprofiles: {draft: {}}\nshots:\n"
)
ONE, TWO, TWIN = (
    f"  - {{id: {name}, prompt: {words}}}\n" for name, words in (("one", "a"), ("two", "b"), ("twin", "a"))
)
HOME = PACKAGED["apiframe"].base_url
CLIP = b"a clip of a few bytes"
EARLY_NS = 1_000_000_000
NO_KEYS = ("APIFRAME_API_KEY", "KBATCH_APIFRAME_URL", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")


def bought(folder: Path, **changes: object) -> Path:
    """Write a manifest of two shots with their lockfile, clips and sidecars; return the lockfile."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text(HEAD + ONE + TWO, encoding="utf-8")
    (folder / "renders").mkdir(exist_ok=True)
    index, renders = {}, {}
    for job in load(folder / "campaign.yaml").jobs:
        path = job.draft.output
        (folder / path).write_bytes(CLIP)
        os.utime(folder / path, ns=(EARLY_NS, EARLY_NS))
        media = Media(duration=5.0, width=16, height=9, fps=24, audio=False)
        receipt = Receipt(
            provider=job.provider,
            model=job.model,
            variant=job.quote.variant,
            state=ReceiptState.DONE,
            origin=HOME,
            job_id=f"job-{job.address}",
            attempt=1,
            request=job.request,
            credits=Credits(planned=4, reported=4),
            submitted_at="2026-11-21T09:00:00.000Z",
            finished_at="2026-11-21T09:01:00.000Z",
            output=Output(path=path, sha256=sha256(CLIP).hexdigest(), bytes=len(CLIP), media=media),
        )
        renders[job.fingerprint] = replace(receipt, **changes)  # type: ignore[arg-type]
        index[job.address] = IndexEntry(fingerprint=job.fingerprint, path=path)
    lockfile = folder / "campaign.lock.json"
    save(lockfile, Lockfile(manifest="campaign.yaml", jobs=index, renders=renders))
    return lockfile


def run_to_the_end(patch: pytest.MonkeyPatch) -> None:
    """Let a run never find that it has nothing to do."""
    patch.setattr(import_module("kbatch.cli.commands.run"), "_nothing_to_do", lambda *_: None)
    patch.setattr(import_module("kbatch.runner.execute"), "nothing_to_do", lambda *_: None)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which everything is bought and a run has written the sidecars, to be copied."""
    made = tmp_path_factory.mktemp("bought")
    bought(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        run_to_the_end(patch)
        with pytest.raises(SystemExit):
            main(["run", "campaign.yaml"])
    return made


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which everything is bought, without a key to buy more."""
    for name in NO_KEYS:
        monkeypatch.delenv(name, raising=False)
    copied = tmp_path / "campaign"
    shutil.copytree(original, copied)  # with the files' times
    monkeypatch.chdir(copied)
    return copied


def test_neither_httpx_nor_an_event_loop_is_loaded(folder: Path) -> None:
    """What a run of nothing needs is the plan's, and the lock."""
    program = (
        "import json, sys\nfrom kbatch.cli import main\n"
        "try:\n    main(['run', 'campaign.yaml'])\n"
        "except SystemExit as ended:\n    print(json.dumps([ended.code, *sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    code, *loaded = json.loads(ended.stdout)
    assert code == 0
    assert "finished: 2 reused" in ended.stderr
    assert not {"httpx", "asyncio", "kbatch.runner.scheduler", "kbatch.providers.http.client"} & set(loaded)


def test_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the lock's card stays; what was asked for is there: events, none of them, and a green report."""
    before = everything(folder)
    words = ["run", "campaign.yaml", "--events", "events.jsonl", "--junit", "junit.xml", "--format", "json"]
    code, out, _ = ended(words, capsys)
    assert (code, json.loads(out)["counts"]["reused"]) == (0, 2)
    after = everything(folder)
    assert after.pop("events.jsonl") == b""
    assert b'failures="0"' in after.pop("junit.xml")
    assert after == before


def everything(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, the lock's own aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _manifest(*shots: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "campaign.yaml").write_text(HEAD + "".join(shots), encoding="utf-8") and None


def _gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink(missing_ok=True)


def _written(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def _altered(name: str, one: bytes, other: bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        if (folder / name).exists():
            (folder / name).write_bytes((folder / name).read_bytes().replace(one, other))

    return act


def _renamed(name: str, other: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).rename(folder / other) and None if (folder / name).exists() else None


def _newer(name: str) -> Callable[[Path], None]:
    return lambda folder: os.utime(folder / name) if (folder / name).exists() else None


def _old(name: str) -> Callable[[Path], None]:
    return lambda folder: os.utime(folder / name, ns=(EARLY_NS, EARLY_NS))


def _both(*acts: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: [act(folder) for act in acts] and None


def _lockfile(change: Callable[[Lockfile], Lockfile]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "campaign.lock.json"
        at_ns = path.stat().st_mtime_ns
        lockfile = load_state(path, manifest_name="campaign.yaml").lockfile
        save(path, change(lockfile) if lockfile.jobs else lockfile)
        os.utime(path, ns=(at_ns, at_ns))

    return act


def _first(**changes: object) -> Callable[[Lockfile], Lockfile]:
    def change(lockfile: Lockfile) -> Lockfile:
        first, *_ = lockfile.renders
        changed = replace(lockfile.renders[first], **changes)  # type: ignore[arg-type]
        return replace(lockfile, renders={**lockfile.renders, first: changed})

    return change


def _the_other_failed(lockfile: Lockfile) -> Lockfile:
    other = lockfile.jobs["two"].fingerprint
    failed = replace(lockfile.renders[other], state=ReceiptState.FAILED, job_id=None, output=None)
    return replace(lockfile, renders={**lockfile.renders, other: failed})


def _all(lockfile: Lockfile, **changes: Any) -> Lockfile:
    return replace(lockfile, renders={key: replace(one, **changes) for key, one in lockfile.renders.items()})


def _crossed(lockfile: Lockfile) -> Lockfile:
    one, two = lockfile.jobs["one"], lockfile.jobs["two"]
    first, second = one.fingerprint, two.fingerprint
    crossed = {
        "one": IndexEntry(fingerprint=second, path=one.path),
        "two": IndexEntry(fingerprint=first, path=two.path),
    }
    return replace(lockfile, jobs=crossed)


def _elsewhere(lockfile: Lockfile) -> Lockfile:
    key = lockfile.jobs["one"].fingerprint
    output = lockfile.renders[key].output
    moved = replace(lockfile.renders[key], output=output and replace(output, path="renders/old.mp4"))
    return replace(lockfile, renders={**lockfile.renders, key: moved})


def _orphan(lockfile: Lockfile) -> Lockfile:
    orphan = replace(next(iter(lockfile.renders.values())), job_id="orphan", output=None, state=ReceiptState.RENDERED)
    return replace(lockfile, renders={**lockfile.renders, "f" * 64: orphan})


def _without_a_job(lockfile: Lockfile) -> Lockfile:
    one = next(iter(lockfile.renders.values()))
    clip = one.output and replace(one.output, path="renders/old.mp4")
    return replace(lockfile, renders={**lockfile.renders, "e" * 64: replace(one, job_id="old", output=clip)})


def _began(folder: Path) -> None:
    began = Began(manifest="campaign.yaml", plan=None, maximum={}, replacing=[])
    event = stamp(Fact(data=began), at="2026-11-21T10:00:00.000Z", run="earlier", sequence=1)
    (folder / ".kbatch" / "campaign.journal.jsonl").write_bytes(event.to_line())


_OUTPUT = Output(path="../one.mp4", sha256="0" * 64, bytes=len(CLIP), media=replace(NO_MEDIA, duration=5.0))
_SHORT = ReceiptError(at="delivery", reason=None, message="short")
CHANGES: Mapping[str, Callable[[Path], None]] = {
    "a-clip-is-gone": _gone("renders/one.mp4"),
    "a-sidecar-is-gone": _gone("renders/two.mp4.json"),
    "a-clip-has-other-bytes": _written("renders/one.mp4", b"another clip"),
    "an-old-clip-has-other-bytes": _both(_written("renders/one.mp4", b"another clip"), _old("renders/one.mp4")),
    "a-sidecar-says-something-else": _altered("renders/two.mp4.json", b"turbo", b"other"),
    "a-clip-is-newer": _newer("renders/two.mp4"),
    "a-sidecar-is-newer": _newer("renders/one.mp4.json"),
    "a-shot-is-gone": _manifest(ONE),
    "a-shot-is-new": _manifest(ONE, TWO, "  - {id: three, prompt: c}\n"),
    "a-shot-shares-a-request": _manifest(ONE, TWO, TWIN),
    "a-shot-was-renamed": _manifest(ONE.replace("one", "first"), TWO),
    "an-output-was-renamed": _manifest(ONE.replace("prompt", "output: a.mp4, prompt"), TWO),
    "a-comment": _manifest(ONE, "# two\n", TWO),
    "a-run-was-cut-off": _began,
    "another-origin": _lockfile(_first(origin="loopback")),
    "all-from-loopback": _lockfile(lambda lockfile: _all(lockfile, origin="loopback")),
    "no-origin": _lockfile(_first(origin="")),
    "delivered-wrong": _lockfile(_first(state=ReceiptState.DELIVERED_WRONG, error=_SHORT)),
    "unknown": _lockfile(_first(state=ReceiptState.UNKNOWN, job_id=None, output=None)),
    "failed": _lockfile(_first(state=ReceiptState.FAILED, job_id=None, output=None)),
    "the-other-failed": _lockfile(_the_other_failed),
    "an-index-that-is-crossed": _lockfile(_crossed),
    "a-clip-lies-elsewhere": _both(
        _renamed("renders/one.mp4", "renders/old.mp4"),
        _renamed("renders/one.mp4.json", "renders/old.mp4.json"),
        _lockfile(_elsewhere),
    ),
    "submitted": _lockfile(_first(state=ReceiptState.SUBMITTED, output=None)),
    "a-strange-place": _lockfile(_first(output=_OUTPUT)),
    "owed-without-a-job": _lockfile(_orphan),
    "a-clip-without-a-job": _both(_written("renders/old.mp4", CLIP), _lockfile(_without_a_job)),
    "an-index-of-nothing": _lockfile(lambda lockfile: replace(lockfile, jobs={})),
    "a-profile": _lockfile(lambda lockfile: replace(lockfile, profiles={"draft": lockfile.jobs})),
    "another-manifest": _lockfile(lambda lockfile: replace(lockfile, manifest="earlier.yaml")),
}  # fmt: skip
URLS = (None, " ", HOME, "http://127.0.0.1:1", "ftp://example.com", "https://elsewhere.example")
FLAGS = (
    [],
    ["--only", "one"],
    ["--locked"],
    ["--replace", "one"],
    ["--profile", "draft"],
    ["--format", "json"],
    ["--first", "0"],
)


def ended(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """Return code, stdout and stderr of a command, times erased."""
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    return end.value.code, said.out, re.sub(r"\d\d:\d\d:\d\d", "<time>", re.sub(r"since \S+", "", said.err))


_TIMES = re.compile(rb'"(placed_at|finished_at)": "[^"]*"')
LIMITS = settings(
    max_examples=60, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@LIMITS
@given(st.sets(st.sampled_from(sorted(CHANGES)), max_size=3), st.sampled_from(FLAGS), st.sampled_from(URLS))
@example(set(), [], None)
@example({"all-from-loopback"}, [], "http://127.0.0.1:1")
@example({"all-from-loopback"}, [], " ")
@example(set(), [], "https://elsewhere.example")
@example(set(), [], "ftp://example.com")
@example({"a-comment"}, ["--only", "one"], None)
@example({"a-run-was-cut-off"}, [], None)
@example({"a-clip-without-a-job"}, [], None)
@example({"owed-without-a-job"}, [], None)
@example({"a-shot-is-gone", "the-other-failed"}, [], None)
@example({"an-index-that-is-crossed"}, [], None)
@example({"a-clip-lies-elsewhere"}, [], None)
@example({"a-sidecar-says-something-else"}, [], None)
@example({"an-old-clip-has-other-bytes"}, [], None)
@example({"another-manifest"}, [], None)
@example({"a-sidecar-is-gone"}, [], None)
@example({"a-clip-is-newer"}, [], None)
def test_a_run_that_looks_first_ends_as_one_that_does_not(  # noqa: PLR0917 - what hypothesis draws is by name
    original: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    changes: set[str],
    flags: list[str],
    url: str | None,
) -> None:
    """Whatever was changed since, exit code, words and files are those of the whole run."""
    seen = []
    for first in (True, False):
        folder = tmp_path_factory.mktemp("copy") / "campaign"
        shutil.copytree(original, folder)  # with the files' times
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for name in NO_KEYS:
                patch.delenv(name, raising=False)
            if url is not None:
                patch.setenv("KBATCH_APIFRAME_URL", url)
            for name in sorted(changes):
                CHANGES[name](folder)
            if not first:
                run_to_the_end(patch)
            said = ended(["run", "campaign.yaml", "--yes", "--max-credits", "100", *flags], capsys)
        kept = {name: data for name, data in everything(folder).items() if ".kbatch/history" not in name}
        seen.append({"said": said, **{name: _TIMES.sub(b"", data) for name, data in kept.items()}})
    names = sorted({*seen[0], *seen[1]})
    assert [name for name in names if seen[0].get(name) != seen[1].get(name)] == [], (changes, flags)
