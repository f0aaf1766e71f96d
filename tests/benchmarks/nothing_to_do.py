"""Nothing to do: `run` and `plan --check` on a lockfile of 100,000 receipts whose clips are all there.

Its floor reads the same lockfile with the standard library's JSON.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.campaigns import matrix_manifest
from tests.benchmarks.measure import KBATCH, PYTHON, Row, floor_of, folder, pair, ratio_row, run

_MODULE = "tests.benchmarks.nothing_to_do"
SIZES = (1_000, 100_000)
CLIP = b"a clip of a few bytes"


def rows(sizes: tuple[int, ...] = SIZES) -> Iterator[Row]:
    """Measure a run and a check that find everything bought."""
    for jobs in sizes:
        with folder() as home:
            manifest = matrix_manifest(home, jobs)
            lockfile = manifest.with_suffix(".lock.json")
            run((PYTHON, "-m", _MODULE, "bought", manifest, str(jobs)))
            counted = f"{jobs}\n".encode()
            flags = ("--max-jobs", str(jobs))
            run((*KBATCH, "run", manifest, "--yes", *flags))  # the first one writes the sidecars
            floor = floor_of(_MODULE, lockfile)
            repeat = 1 if jobs > 50_000 else 5
            for work, command in (
                ("run", ("run", manifest, "--yes", *flags)),
                ("plan --check", ("plan", manifest, "--check", *flags)),
            ):
                samples = pair(partial(run, (*KBATCH, *command)), partial(run, floor, count=counted), repeat=repeat)
                assert samples[1].found == 1
                yield ratio_row(
                    "nothing to do", f"`{work}`, {jobs:,} receipts", samples, aim=3 if jobs > 50_000 else None
                )


def bought(manifest: Path, jobs: int) -> Path:
    """Write the lockfile and the clips of a campaign that is wholly bought; return the lockfile."""
    from kbatch.pipeline.load import LoadOptions, load
    from kbatch.receipts.lockfile.lockfile import Lockfile
    from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
    from kbatch.receipts.receipt import Credits, Media, Output, Receipt, ReceiptState
    from kbatch.receipts.store import save

    loaded = load(manifest, LoadOptions(max_jobs=jobs))
    media = Media(duration=5.0, width=1280, height=720, fps=24, audio=False)
    index, renders = {}, {}
    (manifest.parent / "renders").mkdir()
    for number, job in enumerate(loaded.jobs):
        (manifest.parent / job.draft.output).write_bytes(CLIP)
        index[job.address] = IndexEntry(fingerprint=job.fingerprint, path=job.draft.output)
        renders[job.fingerprint] = Receipt(
            provider=job.provider,
            model=job.model,
            variant=job.quote.variant,
            state=ReceiptState.DONE,
            origin="https://api.apiframe.ai",
            job_id=f"job-{number:08}",
            attempt=1,
            request=job.request,
            credits=Credits(planned=job.quote.credits, reported=job.quote.credits),
            submitted_at="2026-11-21T10:00:00.000Z",
            finished_at="2026-11-21T10:02:00.000Z",
            output=Output(path=job.draft.output, sha256="0" * 64, bytes=len(CLIP), media=media),
        )
    path = manifest.with_suffix(".lock.json")
    save(path, Lockfile(manifest=manifest.name, jobs=index, renders=renders))
    return path


def floor(name: str) -> None:
    """Read the lockfile's JSON and count its receipts."""
    import json

    print(len(json.loads(Path(name).read_bytes())["renders"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        floor(*sys.argv[2:])
    elif sys.argv[1:2] == ["bought"]:
        bought(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        from tests.benchmarks.__main__ import main

        main(["nothing_to_do", *sys.argv[1:]])
