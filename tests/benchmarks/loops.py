"""The floors of a run: what someone writes by hand, with aiohttp or httpx, to submit, poll and fetch many jobs.

No journal, no lockfile, no check of what arrives, no resume: the requests alone, polled at the right moment.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_KEY = {"X-API-Key": "benchmark"}
_AGAIN = 0.05


def body_of(number: int) -> bytes:
    """Return the request of one job, the one that kbatch sends."""
    params = {"duration": 5, "generate_audio": False, "mode": "standard"}
    return json.dumps({"prompt": f"job {number}", "model": "kling-3.0", "klingParams": params}).encode()


Call = Callable[[str, str, bytes | None, str], Awaitable[bytes]]


async def one(call: Call, number: int, latency_s: float, folder: Path) -> None:
    """Submit, wait for as long as a render takes, poll until it is there, fetch it."""
    accepted = json.loads(await call("POST", "/v2/videos/generate", body_of(number), f"{folder.name}-{number}"))
    await asyncio.sleep(latency_s)
    while True:
        job: dict[str, Any] = json.loads(await call("GET", f"/v2/jobs/{accepted['jobId']}", None, ""))
        if job["status"] == "COMPLETED":
            break
        await asyncio.sleep(latency_s * _AGAIN)
    url = job["result"]["videoUrl"] if "videoUrl" in job["result"] else job["result"]["videos"][0]
    (folder / f"{number}.mp4").write_bytes(await call("CLIP", url, None, ""))


async def all_of(call: Call, jobs: int, concurrency: int, latency_s: float, folder: Path) -> None:
    """Work all jobs, so many at once."""
    places = asyncio.Semaphore(concurrency)

    async def held(number: int) -> None:
        async with places:
            await one(call, number, latency_s, folder)

    await asyncio.gather(*(held(number) for number in range(jobs)))


async def with_aiohttp(url: str, jobs: int, concurrency: int, latency_s: float, folder: Path) -> None:
    """Use one aiohttp session without a limit of its own."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(method: str, path: str, content: bytes | None, key: str) -> bytes:
            if method == "CLIP":
                async with session.get(path) as answer:
                    return await answer.read()
            headers = {**_KEY, "Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
            async with session.request(method, url + path, data=content, headers=headers) as answer:
                return await answer.read()

        await all_of(call, jobs, concurrency, latency_s, folder)


async def with_httpx(url: str, jobs: int, concurrency: int, latency_s: float, folder: Path) -> None:
    """Use one httpx client with as many connections as jobs run at once."""
    import httpx

    limits = httpx.Limits(max_connections=concurrency + 16, max_keepalive_connections=concurrency + 16)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def call(method: str, path: str, content: bytes | None, key: str) -> bytes:
            if method == "CLIP":
                return (await client.get(path)).content
            headers = {**_KEY, "Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
            return (await client.request(method, url + path, content=content, headers=headers)).content

        await all_of(call, jobs, concurrency, latency_s, folder)


def main(words: list[str]) -> None:
    """Run one of the loops to its end."""
    client, url, jobs, concurrency, latency_s, folder = words
    loop = with_aiohttp if client == "aiohttp" else with_httpx
    asyncio.run(loop(url, int(jobs), int(concurrency), float(latency_s), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
