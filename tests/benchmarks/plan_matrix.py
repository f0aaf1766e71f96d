"""The plan of a matrix: 1,000 to 100,000 jobs, prompts of 300 characters with three variables, five parameters.

Its floor does the same with the same libraries in one bare loop: a compiled template, one validation for each distinct
parameter set, canonical JSON, SHA-256, and the text of a lockfile.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.campaigns import matrix_manifest
from tests.benchmarks.measure import KBATCH, ROOT, Row, floor_of, folder, pair, ratio_row, run

SIZES = (1_000, 10_000, 100_000)
_MODULE = "tests.benchmarks.plan_matrix"


def rows(sizes: tuple[int, ...] = SIZES) -> Iterator[Row]:
    """Measure each size; the memory aim is 3 KB a job beyond what the smallest plan needs."""
    least: tuple[int, float] | None = None
    for jobs in sizes:
        with folder() as home:
            manifest = matrix_manifest(home, jobs)
            plan = (*KBATCH, "plan", manifest, "--max-jobs", str(jobs), "--format", "json")
            floor = floor_of(_MODULE, manifest, jobs)
            samples = pair(
                lambda plan=plan: run(plan, count=b'"fingerprint"'),
                lambda floor=floor: run(floor),
                repeat=1 if jobs > 50_000 else 3,
            )  # type: ignore[misc]
        assert samples[0].found == samples[1].found == jobs
        yield ratio_row("plan from a matrix", f"{jobs:,} jobs", samples, aim=2)
        if least is not None:
            kb = (samples[0].peak_mb - least[1]) * 1024 / (jobs - least[0])
            work = f"{jobs:,} jobs, KB a job"
            yield Row(
                figure="plan: memory",
                work=work,
                kbatch=samples[0],
                ratio=kb / 3,
                aim=1,
                of="of 3 KB",
                note=f"{kb:.1f} KB a job",
            )
        least = least or (jobs, samples[0].peak_mb)


def floor(name: str, jobs: str) -> None:
    """Expand, render, validate, hash and word `jobs` jobs in one loop."""
    import hashlib
    import itertools
    import json

    import yaml
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jsonschema import Draft202012Validator

    manifest = yaml.load(Path(name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    model = manifest["defaults"]["model"]
    card = json.loads((ROOT / "schemas" / "models" / "apiframe" / f"{model}.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(
        {"type": "object", "properties": card["parameters"], "additionalProperties": False}
    )
    shot = manifest["shots"][0]
    template = ImmutableSandboxedEnvironment().from_string(shot["prompt"])
    brand, params = manifest["vars"]["brand"], manifest["defaults"]["params"]
    checked: set[str] = set()
    out = sys.stdout.write
    for city, light in itertools.product(range(int(jobs) // 100), range(100)):
        prompt = template.render(brand=brand, city=city, light=light)
        own = dict(params)
        key = json.dumps(own, sort_keys=True)
        if key not in checked:
            validator.validate(own)
            checked.add(key)
        request = {"prompt": prompt, "model": model, "klingParams": own}
        body = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        digest = hashlib.sha256(body).hexdigest()
        address = f"hero[city={city},light={light}]"
        receipt = {"fingerprint": digest, "address": address, "credits": 15, "request": request}
        out(json.dumps(receipt, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        floor(*sys.argv[2:])
    else:
        from tests.benchmarks.__main__ import main

        main(["plan_matrix", *sys.argv[1:]])
