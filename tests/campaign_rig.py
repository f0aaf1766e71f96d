"""A rehearsal of real runs: the simulator on a loopback socket, the commands in this process, the bill as judge."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from kbatch.cli import main
from kbatch.receipts.events import Event
from kbatch.simulator.bill import as_document
from kbatch.simulator.faults.selection import rule
from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings, build_app
from kbatch.simulator.state import World

ROOT = Path(__file__).resolve().parent.parent
KEYS = {"APIFRAME_API_KEY": "afk_never-to-be-seen-4711", "AIMLAPI_API_KEY": "never-to-be-seen-0815-either"}
AIMLAPI = "kling-video/v2.1/pro/image-to-video"
AIMLAPI_V3 = "klingai/video-v3-pro-image-to-video"
"""A model whose card chooses the newer endpoint."""
AIMLAPI_PRICE = "prices: {aimlapi/kling-video/v2.1/pro/image-to-video: {credits_per_second: 262500}}"


class Printed(Protocol):
    """What was printed since it was last asked."""

    @property
    def out(self) -> str:
        """What went to stdout."""

    @property
    def err(self) -> str:
        """What went to stderr."""


class Capture(Protocol):
    """Whoever takes what is printed in this process: pytest's `capsys`, or a stand-in where there is no test."""

    def readouterr(self) -> Printed:
        """Return what was printed since the last time."""


class Stage:
    """One server for a whole session; every test opens a world of its own on it."""

    def __init__(self) -> None:
        self.url = ""
        self.app: ASGIApp | None = None
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the world that is on stage now."""
        assert self.app is not None
        await self.app(scope, receive, send)

    def open(self, **settings: Any) -> World:
        """Put a new world on the stage and return it."""
        chosen = {"latency_s": 0.02, "clips": False, "hang_s": 0.2, "retry_after_s": 1, **settings}
        app = build_app(SimulatorSettings(**chosen))
        self.app = app
        world: World = app.state.world
        return world


@contextmanager
def standing() -> Iterator[Stage]:
    """Keep a stage for the time of the block."""
    stage = Stage()
    with serving(SimulatorSettings(), app=stage) as url:
        stage.url = url
        yield stage


@dataclass(frozen=True, slots=True)
class Said:
    """What a command ended with: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the JSON that it printed."""
        return json.loads(self.out)


@dataclass
class Rig:
    """A manifest in a folder of its own, a world that it is rendered by, and the means to run commands on it.

    While it is `trusting`, runs accept the prices that their own manifests state.
    """

    folder: Path
    stage: Stage
    monkeypatch: pytest.MonkeyPatch
    capsys: Capture
    world: World = field(init=False)
    name: str = "campaign.yaml"
    trusting: bool = True
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder
        self.open()
        for key, value in {
            **KEYS,
            "KBATCH_APIFRAME_URL": self.stage.url,
            "KBATCH_AIMLAPI_URL": self.stage.url,
            "KBATCH_POLL_SCALE": "0.001",
            "NO_COLOR": "1",
        }.items():
            self.monkeypatch.setenv(key, value)

    def open(self, *faults: Mapping[str, Any] | str, **settings: Any) -> World:
        """Begin with a new world that has these faults."""
        rules = tuple(rule(fault) if isinstance(fault, str) else _rule(fault) for fault in faults)
        self.world = self.stage.open(faults=rules, **settings)
        return self.world

    def faults(self, *faults: Mapping[str, Any] | str) -> None:
        """Change the faults of the world as it is."""
        rules = tuple(rule(fault) if isinstance(fault, str) else _rule(fault) for fault in faults)
        object.__setattr__(self.world.terms, "faults", rules)
        self.world.fault_counts.hits.clear()

    def fresh(self, name: str, *faults: Mapping[str, Any] | str, **settings: Any) -> None:
        """Go on in a new folder with a new world."""
        self.folder = self.root / name
        self.folder.mkdir()
        self.open(*faults, **settings)

    def write(self, body: str, *, provider: str = "apiframe", name: str | None = None) -> Path:
        """Write the manifest; `budget` is given unless the body has one."""
        self.name = name or self.name
        head = f"kbatch: 1\nname: rehearsal\nprovider: {provider}\n"
        if "budget:" not in body:
            head += "budget: {max_credits: {apiframe: 5000, aimlapi: 100000000}}\n"
        path = self.folder / self.name
        path.write_text(head + body, encoding="utf-8")
        return path

    def kbatch(self, command: str, *args: str, manifest: str | None = None) -> Said:
        """Run a command on the manifest in this process."""
        self.capsys.readouterr()
        trust = ["--trust-prices"] if self.trusting and command == "run" and "--trust-prices" not in args else []
        with pytest.raises(SystemExit) as end:
            main([command, str(self.folder / (manifest or self.name)), *args, *trust])
        printed = self.capsys.readouterr()
        return Said(int(end.value.code or 0), printed.out, printed.err)

    def run(self, *args: str) -> Said:
        """Run the manifest with consent."""
        return self.kbatch("run", "--yes", "--format", "json", *args)

    def picture(self, name: str, color: str = "teal") -> None:
        """Write a picture beside the manifest."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (320, 320), color).save(path)

    # what is true afterwards

    def bill(self) -> dict[str, Any]:
        """Return the bill of the world on stage."""
        return dict(as_document(self.world.bill))

    def charges(self, provider: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of the bill."""
        return [line for line in self.bill()["charges"] if provider in (None, line["provider"])]

    def lockfile(self, name: str | None = None) -> dict[str, Any]:
        """Return the lockfile as JSON."""
        path = self.folder / (name or self.name.replace(".yaml", ".lock.json"))
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def has_lockfile(self) -> bool:
        """Tell whether a run has left a lockfile."""
        return (self.folder / self.name.replace(".yaml", ".lock.json")).exists()

    def receipt(self, address: str) -> dict[str, Any]:
        """Return the receipt that a job refers to."""
        lockfile = self.lockfile()
        return dict(lockfile["renders"][lockfile["jobs"][address]["fingerprint"]])

    def states(self) -> dict[str, str]:
        """Return the state of each job's receipt by address."""
        lockfile = self.lockfile()
        return {name: lockfile["renders"][job["fingerprint"]]["state"] for name, job in lockfile["jobs"].items()}

    def clips(self) -> dict[str, str]:
        """Return every clip below the folder with its digest."""
        found = sorted(self.folder.rglob("*.mp4"))
        return {path.relative_to(self.folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in found}

    def leftovers(self) -> list[str]:
        """Return partial downloads and temporary files."""
        return [path.name for path in self.folder.rglob("*") if path.suffix in (".part", ".tmp")]


def _rule(fault: Mapping[str, Any]) -> Any:
    settings = dict(fault)
    return rule(settings.pop("fault"), **settings)


def card_data(model: str, provider: str = "aimlapi") -> bytes:
    """Return the packaged card of a model."""
    return (ROOT / "schemas" / "models" / provider / f"{model}.json").read_bytes()


def use_backend(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """Let the commands run on this event loop."""
    monkeypatch.setattr("anyio.run", partial(anyio.run, backend=backend))


def journal(folder: Path, stem: str = "campaign") -> list[Event]:
    """Return the events of the journal as it lies on the disk, a torn last line aside."""
    path = folder / ".kbatch" / f"{stem}.journal.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [Event.from_line(line) for line in lines]


def history(folder: Path) -> list[Event]:
    """Return the events of all journals that were put away."""
    files = sorted((folder / ".kbatch" / "history").glob("*.jsonl"))
    return [Event.from_line(line) for path in files for line in path.read_bytes().splitlines()]


def doubles(charges: Sequence[Mapping[str, Any]]) -> int:
    """Return how many charges are for something that another charge has bought already, refunds aside."""
    bought = [line["idempotency_key"] for line in charges if line["idempotency_key"] and not line["refunded"]]
    return len(bought) - len(set(bought))


def environment(stage: Stage) -> dict[str, str]:
    """Return the environment of a kbatch in a process of its own."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("COV_")},
        **KEYS,
        "KBATCH_APIFRAME_URL": stage.url,
        "KBATCH_AIMLAPI_URL": stage.url,
        "KBATCH_POLL_SCALE": "0.001",
        "NO_COLOR": "1",
    }
