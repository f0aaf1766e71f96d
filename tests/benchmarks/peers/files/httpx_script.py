"""Renders the campaign with httpx: `httpx_script.py CITIES [--dry-run]`; leaves alone the clips that are there."""

import asyncio
import os
import sys
from pathlib import Path

import httpx

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


async def render(client, slots, clip, prompt):
    """Buy one clip, wait for it, download it."""
    async with slots:
        body = {"model": "kling-3.0", "prompt": prompt, "klingParams": PARAMS}
        response = await client.post("/v2/videos/generate", json=body, headers=HEADERS)
        job = response.raise_for_status().json()["jobId"]
        while True:
            await asyncio.sleep(0.25)
            response = await client.get(f"/v2/jobs/{job}", headers=HEADERS)
            shown = response.raise_for_status().json()
            if shown["status"] == "COMPLETED":
                break
            if shown["status"] in ("FAILED", "CANCELLED"):
                raise RuntimeError(f"{clip}: {shown['error']}")
        response = await client.get(shown["result"]["videoUrl"])
        clip.write_bytes(response.raise_for_status().content)


async def main():
    """Render at most 64 at once."""
    slots = asyncio.Semaphore(64)
    async with httpx.AsyncClient(base_url=os.environ["APIFRAME_URL"], timeout=60) as client:
        await asyncio.gather(*(render(client, slots, clip, prompt) for clip, prompt in todo()))


if "--dry-run" in sys.argv:
    for clip, prompt in todo():
        print(clip, prompt)
else:
    asyncio.run(main())
