"""Sets up the simulator in this process for `--simulate`; it knows the receipts of an interrupted rehearsal again."""

import time
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any

from kbatch.errors import Invalid, Problem, Refused
from kbatch.pipeline.load import LoadedManifest
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.receipt import Receipt
from kbatch.storage import read_bytes

_NEEDED = ("av", "starlette", "uvicorn", "python_multipart")
_LATENCY_S = 0.5
_EARLIER_PICTURE = "https://earlier.invalid/picture.png"
_PICTURES = ("start_image", "end_image", "image_url", "static_mask")


def can_simulate() -> bool:
    """Whether what the extra `sim` brings is installed; nothing of it is loaded to know."""
    return all(util.find_spec(name) is not None for name in _NEEDED)


def simulator_app(lockfile: Lockfile, loaded: LoadedManifest, *, faults: Path | None, seed: int = 0) -> Any:
    """Return an ASGI app that plays both providers; Refused when the extra `sim` is not installed.

    `seed` decides which of the faults that have a probability strike.
    """
    try:
        from kbatch.simulator.memory import remember  # noqa: PLC0415 - needs the extra
        from kbatch.simulator.server import SimulatorSettings, build_app  # noqa: PLC0415

        app = build_app(SimulatorSettings(latency_s=_LATENCY_S, seed=seed, faults=_rules(faults)))
    except ImportError as error:
        hint = "install the extra `sim`: pip install 'kbatch-render[sim]'"
        raise Refused("no-simulator", f"the simulator needs {error.name}, which is not installed", hint=hint) from error
    earlier = time.time() - _LATENCY_S - 1
    for receipt in lockfile.renders.values():
        if receipt.job_id is not None and receipt.request and not _here(loaded.folder, receipt):
            remember(app.state.world, receipt.provider, receipt.job_id, _with_pictures(receipt.request), earlier)
    return app


def _here(folder: Path, receipt: Receipt) -> bool:
    return receipt.output is not None and receipt.output.placed and (folder / receipt.output.path).exists()


def _with_pictures(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request in which a URL stands for each picture that was uploaded then."""
    body: dict[str, Any] = {}
    for name, value in request.items():
        if isinstance(value, Mapping):
            body[name] = _with_pictures(value)
        else:
            body[name] = _EARLIER_PICTURE if name in _PICTURES and not str(value).startswith("http") else value
    return body


def _rules(path: Path | None) -> Any:
    from kbatch.simulator.faults.dice import read_rules  # noqa: PLC0415 - needs the extra

    if path is None:
        return ()
    try:
        return read_rules(read_bytes(path).decode("utf-8"), file=str(path))
    except OSError as error:
        raise Invalid(
            [Problem(code="file-unreadable", message=f"`{path}` cannot be read: {error.strerror}")]
        ) from error
    except UnicodeDecodeError as error:
        raise Invalid([Problem(code="encoding", message=f"`{path}` is not UTF-8")]) from error
