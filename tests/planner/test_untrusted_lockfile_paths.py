"""A lockfile is not trusted: it cannot lead kbatch out of the manifest's folder."""

import json
from pathlib import Path

import pytest

from kbatch.errors import StateUnreadable
from kbatch.pipeline.load import load
from kbatch.pipeline.load_state import load_state
from kbatch.runner.preflight.clip_paths import check_clip_paths

MANIFEST = "kbatch: 1\nname: t\nprovider: apiframe\nshots: [{id: s, model: kling-2.1, prompt: x}]\n"


@pytest.mark.parametrize("path", ["../../.ssh/id", "/etc/passwd", "C:\\x.mp4", "renders/../../x.mp4"])
def test_a_clip_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    """A path that leads out stops every command that would read or move a clip, with the path named."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST, encoding="utf-8")
    jobs = {"s": {"fingerprint": "0" * 64, "path": path}}
    lockfile = {"jobs": jobs, "lockfile_version": 1, "manifest": "m.yaml", "renders": {}}
    (tmp_path / "m.lock.json").write_text(json.dumps(lockfile), encoding="utf-8")
    with pytest.raises(StateUnreadable, match="outside the manifest's folder"):
        load_state(load(manifest), tmp_path / "m.lock.json")
    found = load_state(load(manifest), tmp_path / "m.lock.json", anywhere=True)
    with pytest.raises(StateUnreadable, match="outside the manifest's folder"):
        check_clip_paths(found, tmp_path / "m.lock.json")
