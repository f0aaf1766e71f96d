"""Installs the peers under `.cache/peers/`, each in a folder of its own, with the registries' ordinary clients.

Nothing of it belongs to the project. Where a peer cannot be installed, the table says so and why.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.peer import Peer

_LIMIT_S = 600


def install(peer: Peer) -> str | None:
    """Install one peer anew unless it is there; return why it cannot be installed here, None when it can."""
    if why_missing(peer) is None:
        return None
    shutil.rmtree(peer.home, ignore_errors=True)
    peer.home.mkdir(parents=True)
    try:
        _pip(peer)
        _npm(peer)
        _apt(peer)
        _do(_version(peer), peer.home)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        why = f"not installable here: {str(error).strip() or type(error).__name__}"
        _note(peer).write_text(why, encoding="utf-8")
        return why
    _done(peer).touch()
    return None


def why_missing(peer: Peer) -> str | None:
    """Return why a peer is not there; None when it is, or needs no installation."""
    if not (peer.pip or peer.npm or peer.apt):
        program = _version(peer)[0]
        return None if shutil.which(program) else f"not installable here: there is no `{program}`"
    if _done(peer).exists():
        return None
    if _note(peer).exists():
        return _note(peer).read_text(encoding="utf-8")
    return f"not installed: `python -m tests.benchmarks.peers install {peer.name}`"


def _version(peer: Peer) -> tuple[str, ...]:
    return tuple(part.replace("{bin}", str(peer.programs)) for part in peer.version)


def _done(peer: Peer) -> Path:
    return peer.home / "installed"


def _note(peer: Peer) -> Path:
    return peer.home / "not-installable.txt"


def _pip(peer: Peer) -> None:
    if peer.pip:
        _do((sys.executable, "-m", "venv", str(peer.home)), peer.home)
        _do((str(peer.programs / "python"), "-m", "pip", "install", "--quiet", *peer.pip), peer.home)


def _npm(peer: Peer) -> None:
    """Install packages of npm with the Node.js that pip brought: the machine's own may be too old for them."""
    if peer.npm:
        (peer.home / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        npm = peer.programs / "npm"
        _do((str(npm), "install", "--no-audit", "--no-fund", "--loglevel=error", *peer.npm), peer.home)


def _apt(peer: Peer) -> None:
    """Unpack a package of Debian's without installing it, or link the program where the machine has it."""
    for name in peer.apt:
        if (there := shutil.which(name)) is not None:
            peer.programs.mkdir(parents=True, exist_ok=True)
            (peer.programs / name).symlink_to(there)
            continue
        _do(("apt-get", "download", name), peer.home)
        for archive in peer.home.glob("*.deb"):
            _do(("dpkg", "-x", str(archive), str(peer.home)), peer.home)


def _do(argv: Sequence[str], cwd: Path) -> None:
    path = os.pathsep.join((str(cwd / "bin"), os.environ.get("PATH", "")))
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{Path(argv[0]).name}: {words[-1] if words else f'exit {done.returncode}'}")
