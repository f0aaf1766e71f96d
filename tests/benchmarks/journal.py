"""The journal: the events of 10,000 jobs, each on the disk before its task goes on, 64 tasks at once.

Its floor is a bare loop on asyncio: it encodes as many events, and one task writes and syncs for all that wait.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import PYTHON, Row, floor_of, folder, pair, ratio_row, run

_MODULE = "tests.benchmarks.journal"
JOBS, TASKS, EVENTS = 10_000, 64, 6


def rows() -> Iterator[Row]:
    """Measure a journal whose events are those of a purchase from intention to delivery."""
    with folder() as home:
        ours = (PYTHON, "-m", _MODULE, "journal", home / "ours")
        samples = pair(lambda: run(ours), lambda: run(floor_of(_MODULE, home / "floor")))
    rate = f"{JOBS * EVENTS / samples[0].wall_s:,.0f} events/s"
    yield ratio_row("journal", f"{JOBS * EVENTS:,} events, durable", samples, aim=1.5, note=rate)


def journal(name: str) -> None:
    """Record the events of all jobs, 64 at a time, and fold nothing."""
    import anyio

    from kbatch.receipts.event_data import DATA
    from kbatch.receipts.events import Fact
    from kbatch.receipts.journal.journal import Journal
    from kbatch.receipts.lifecycle import Kind
    from kbatch.receipts.receipt import Media

    async def work() -> None:
        path = Path(name) / ".kbatch" / f"{time.time_ns()}.journal.jsonl"
        numbers = iter(range(JOBS))
        async with Journal.open(path, run_id="benchmark") as opened, anyio.create_task_group() as tasks:

            async def worker() -> None:
                for number in numbers:
                    for kind, data in _life(number):
                        known = {**data, "media": Media(**data["media"])} if "media" in data else data
                        said = DATA[Kind(kind)](**known)
                        await opened.record(Fact(fingerprint=f"{number:064}", attempt=1, data=said))

            for _ in range(TASKS):
                tasks.start_soon(worker)

    anyio.run(work)


def _life(number: int) -> list[tuple[str, dict[str, Any]]]:
    job_id, at = f"job-{number}", "2026-11-21T10:00:00.000Z"
    request = {"prompt": "a lighthouse " * 20, "model": "kling-3.0", "klingParams": {"duration": 5}}
    media = {"duration": 5.0, "width": 1280, "height": 720, "fps": 24, "audio": False}
    clip = {"job_id": job_id, "path": f"renders/{job_id}.mp4", "sha256": "0" * 64, "bytes": 50_000, "media": media}
    sent = {
        "address": f"hero[n={number}]", "provider": "apiframe", "model": "kling-3.0", "variant": "standard",
        "origin": "https://api.apiframe.ai", "key": "kbatch-" + "0" * 64, "credits": 15, "request": request,
        "inputs": {}, "body": str(request),
    }  # fmt: skip
    return [
        ("intended", sent),
        ("accepted", {"sent_at": at, "job_id": job_id, "account": None, "by": "submit"}),
        ("reported", {"job_id": job_id, "credits": 15}),
        ("rendered", {"job_id": job_id, "credits": 15}),
        ("downloaded", clip),
        ("delivered", clip),
    ]


def floor(name: str) -> None:
    """Encode each event and append it; one task writes and syncs for all that wait, and each waits for that."""
    import asyncio
    import json

    async def work() -> None:
        numbers = iter(range(JOBS))
        waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        loop = asyncio.get_running_loop()
        some, over = asyncio.Event(), False

        def put(data: bytes) -> None:
            file.write(data)
            os.fsync(file.fileno())

        async def writer() -> None:
            while not over or waiting:
                await some.wait()
                some.clear()
                group = waiting.copy()
                waiting.clear()
                await loop.run_in_executor(None, put, b"".join(line for line, _ in group))
                for _, done in group:
                    done.set_result(None)

        async def worker() -> None:
            for number in numbers:
                for kind, data in _life(number):
                    event = {
                        "kind": kind,
                        "at": "2026-11-21T10:00:00.000Z",
                        "fingerprint": f"{number:064}",
                        "data": data,
                    }
                    done = loop.create_future()
                    waiting.append((json.dumps(event, sort_keys=True).encode() + b"\n", done))
                    some.set()
                    await done

        writing = asyncio.create_task(writer())
        await asyncio.gather(*(worker() for _ in range(TASKS)))
        over = True
        some.set()
        await writing

    folder_path = Path(name)
    folder_path.mkdir(parents=True, exist_ok=True)
    with (folder_path / f"{time.time_ns()}").open("ab", buffering=0) as file:
        asyncio.run(work())


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        floor(*sys.argv[2:])
    elif sys.argv[1:2] == ["journal"]:
        journal(*sys.argv[2:])
    else:
        from tests.benchmarks.__main__ import main

        main(["journal", *sys.argv[1:]])
