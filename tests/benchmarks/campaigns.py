"""Writes the campaigns that are measured: prompts of 300 characters with three variables, five parameters."""

from pathlib import Path

_FILL = "slow dolly in over wet stone, soft rim light, film grain, shallow focus, "
TEXT = ("{{ brand }} in {{ city }} at {{ light }}: " + _FILL * 4)[:318]
"""The prompt: 300 characters and more once its three variables are in."""
MODEL = "kling-3.0"
PARAMS = "{duration: 5, mode: standard, aspect_ratio: '16:9', generate_audio: false, negative_prompt: blur}"


def matrix_manifest(folder: Path, jobs: int) -> Path:
    """Write a matrix of `jobs` jobs, a multiple of 100."""
    path = folder / "campaign.yaml"
    path.write_text(
        "kbatch: 1\nname: benchmark\nprovider: apiframe\nvars: {brand: Solstice}\n"
        f"defaults: {{model: {MODEL}, params: {PARAMS}}}\n"
        f"shots:\n  - id: hero\n    prompt: {TEXT!r}\n"
        f'    matrix: {{city: "{{{{ range({jobs // 100}) }}}}", light: "{{{{ range(100) }}}}"}}\n',
        encoding="utf-8",
    )
    return path


def shots_manifest(folder: Path, shots: int) -> Path:
    """Write `shots` shots out, one job each, ten lines a shot."""
    path = folder / "shots.yaml"
    with path.open("w", encoding="utf-8") as out:
        out.write("kbatch: 1\nname: benchmark\nprovider: apiframe\nvars: {brand: Solstice}\nshots:\n")
        for number in range(shots):
            prompt = TEXT.replace("{{ city }}", f"place {number}").replace("{{ light }}", f"hour {number % 24}")
            out.write(
                f"  - id: s{number}\n    model: {MODEL}\n    labels: {{market: m{number % 7}}}\n"
                f"    prompt: {prompt!r}\n    params:\n      duration: 5\n      mode: standard\n"
                "      aspect_ratio: '16:9'\n      generate_audio: false\n"
            )
    return path
