"""Renders the campaign with aiohttp: `aiohttp_script.py CITIES [--dry-run]`; leaves alone the clips that are there."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp

PROMPT = "@PROMPT({city},{light})@"
HEADERS = {"X-API-Key": os.environ["APIFRAME_API_KEY"]}
PARAMS = {
    "duration": 5,
    "mode": "standard",
    "aspect_ratio": "16:9",
    "generate_audio": False,
    "negative_prompt": "blur",
}


def todo():
    """Yield each clip that is not there and its prompt."""
    for city in range(int(sys.argv[1])):
        for light in range(100):
            clip = Path("clips", f"{city}-{light}.mp4")
            if not clip.exists():
                yield clip, PROMPT.format(city=city, light=light)


async def render(session, slots, clip, prompt):
    """Buy one clip, wait for it, download it."""
    async with slots:
        body = {"model": "kling-3.0", "prompt": prompt, "klingParams": PARAMS}
        async with session.post("/v2/videos/generate", json=body, headers=HEADERS) as response:
            job = (await response.json())["jobId"]
        while True:
            await asyncio.sleep(0.25)
            async with session.get(f"/v2/jobs/{job}", headers=HEADERS) as response:
                shown = await response.json()
            if shown["status"] == "COMPLETED":
                break
            if shown["status"] in ("FAILED", "CANCELLED"):
                raise RuntimeError(f"{clip}: {shown['error']}")
        async with session.get(shown["result"]["videoUrl"]) as response:
            clip.write_bytes(await response.read())


async def main():
    """Render at most 64 at once."""
    slots = asyncio.Semaphore(64)
    async with aiohttp.ClientSession(os.environ["APIFRAME_URL"], raise_for_status=True) as session:
        await asyncio.gather(*(render(session, slots, clip, prompt) for clip, prompt in todo()))


if "--dry-run" in sys.argv:
    for clip, prompt in todo():
        print(clip, prompt)
else:
    asyncio.run(main())
