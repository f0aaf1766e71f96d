"""Lays the campaign out as a peer's user would have written it: `files/` with prompt and cities filled in."""

import json
import re
import shutil
from hashlib import md5
from pathlib import Path

from tests.benchmarks.campaigns import TEXT, matrix_manifest
from tests.benchmarks.peers.peer import Peer

FILES = Path(__file__).parent / "files"
LIGHTS = 100
_PROMPT = re.compile(r"@PROMPT\((.*?),(.*?)\)@")


def prompt_of(city: object, light: object) -> str:
    """Return the prompt; `city` and `light` may be what stands for them in a tool's own template language."""
    filled = TEXT.replace("{{ brand }}", "Solstice")
    return filled.replace("{{ city }}", str(city)).replace("{{ light }}", str(light))


def lay_out(peer: Peer, folder: Path, jobs: int) -> None:
    """Write the peer's files for `jobs` jobs, a multiple of 100, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if peer.name == "kbatch":
        matrix_manifest(folder, jobs)
        return
    cities = jobs // LIGHTS
    (folder / "clips").mkdir()
    for name in peer.files:
        text = (FILES / name).read_text(encoding="utf-8")
        text = _PROMPT.sub(lambda found: prompt_of(*found.groups()), text)
        text = text.replace("@CITIES@", _list(cities)).replace("@LAST@", str(cities - 1))
        text = text.replace("@LIGHTS@", _list(LIGHTS))
        (folder / name).write_text(text, encoding="utf-8")
        shutil.copymode(FILES / name, folder / name)


def _list(length: int) -> str:
    """Return a list of strings: promptfoo multiplies no others."""
    return json.dumps([str(number) for number in range(length)])


def lay_done(peer: Peer, folder: Path, jobs: int) -> None:
    """Lay the peer's files out as after a whole run: every clip there, and what DVC or GNU parallel keeps of it."""
    lay_out(peer, folder, jobs)
    clip = b"a clip that was rendered before"
    stages = {}
    for city in range(jobs // LIGHTS):
        for light in range(LIGHTS):
            name = f"clips/{city}-{light}.mp4"
            (folder / name).write_bytes(clip)
            output = {"path": name, "hash": "md5", "md5": md5(clip).hexdigest(), "size": len(clip)}
            command = f'./render.sh {name} "{prompt_of(city, light)}"'
            stages[f"render@{city}-{light}"] = {"cmd": command, "outs": [output]}
    if peer.name == "parallel":
        head = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
        rows = (f"{number}\t:\t1700000000.000\t0.500\t0\t0\t0\t0\t./render.sh\n" for number in range(1, jobs + 1))
        (folder / "jobs.log").write_text(head + "".join(rows), encoding="utf-8")
    if peer.name == "dvc":
        (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}), encoding="utf-8")
