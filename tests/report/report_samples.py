"""Reports for tests: a campaign in every state, and texts that want to become markup, formulas or commands."""

import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from kbatch.receipts.receipt import NO_MEDIA, Media
from kbatch.report.data.accounts import Account, Report
from kbatch.report.data.rows import ReportRow, RowRole, RowState
from kbatch.report.html.pages import TEMPLATES, Parts
from kbatch.runner.outcome import Settlement
from kbatch.storage import packaged_page

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = (
    "</script><script>window.broken=1</script>",
    "<img src=x onerror=window.broken=1>",
    "\" onmouseover=\"window.broken=1\" x='",
    "{{ 7 * 7 }}{% raw %}",
    "a | b \\| c ` d `` e",
    "first line\n\n| second |\n# third\r\n```sh\nrm -rf /\n```",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \x1b[31mred\x07 \x00",
    '=HYPERLINK("http://evil.example";"click")',
    "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "  =1+1",
    "@everyone #1 [link](javascript:alert(1)) ![x](http://evil.example/x.png) www.evil.example $x$ <!-- --> -->",
    "::error file=x::owned %0A",
    "]]><evil/>&lt;&#0;",
)  # fmt: skip
"""Each is a prompt, a label's value, an error and a file name in some test."""


def row(address: str = "hero[city=oslo]", **changes: object) -> ReportRow:
    """Return the row of a clip that was bought and delivered for 15 credits."""
    made = ReportRow(
        address=address,
        request=address.partition("@")[0],
        shot=address.partition("[")[0].partition("@")[0],
        axes=(("city", "oslo"),),
        labels={"market": "eu"},
        provider="apiframe",
        model="kling-2.6",
        variant="5s",
        prompt="a ridge at dusk, slow dolly in",
        params={"duration": 5, "aspect_ratio": "16:9", "generate_audio": False},
        defaulted=frozenset(("aspect_ratio",)),
        state=RowState.DONE,
        planned=15,
        reported=15,
        spent=15,
        job_id="job-1",
        submitted_at="2026-11-21T10:00:00.000Z",
        finished_at="2026-11-21T10:01:30.500Z",
        output="renders/hero-city-oslo.mp4",
        here=True,
        sha256="ab" * 32,
        media=Media(duration=5.0, width=1280, height=720, fps=24, audio=False),
        reason="bought 2026-11-21",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def nothing_bought(address: str, state: RowState, **changes: object) -> ReportRow:
    """Return the row of a job that has no clip."""
    bare: dict[str, object] = {"reported": None, "spent": 0, "job_id": None, "submitted_at": None, "finished_at": None}
    return row(address, state=state, **{**bare, "here": False, "sha256": "", "media": NO_MEDIA, **changes})


ROWS = (
    row("hero[city=oslo]"),
    row("hero[city=oslo]@2", take=2, job_id="job-2", submitted_at="2026-11-21T10:00:30Z", output="renders/2.mp4"),
    row("hero[city=lima]", axes=(("city", "lima"),), reported=30, spent=30, output="renders/a b/ü#1.mp4"),
    row("wrong", axes=(), state=RowState.DELIVERED_WRONG, error="the clip has no audio track, audio was bought"),
    nothing_bought("failed", RowState.FAILED, error="refused: the prompt violates the policy", planned=15, reported=0),
    nothing_bought(
        "unknown", RowState.UNKNOWN, held=15, error="no answer in 60 s", submitted_at="2026-11-21T10:00:00Z"
    ),
    row("owed", state=RowState.RENDERED, here=False, sha256="", reason="rendered, not fetched yet"),
    row("running", state=RowState.SUBMITTED, here=False, sha256="", finished_at=None, reason="still rendering"),
    nothing_bought("blocked", RowState.BLOCKED, reason="needs a frame of `failed`, which is unknown"),
    nothing_bought("skipped", RowState.SKIPPED, error="not started: a ceiling was reached"),
    nothing_bought(
        "later", RowState.NOT_BOUGHT, reason="not bought yet", model="kling-3.0", variant="pro", planned=None
    ),
    row("twin", shares="hero[city=oslo]", planned=0, reported=None, spent=0),
)
OTHERS = (
    row(
        "hero[city=oslo]",
        role=RowRole.EARLIER,
        job_id="job-0",
        submitted_at="2026-11-20T08:00:00Z",
        output="renders/.kept/1.mp4",
    ),
    row("gone", role=RowRole.ORPHAN, spent=None, planned=None, reported=None, submitted_at=None, finished_at=None),
)


def account(**changes: object) -> Account:
    """Return what Apiframe was paid."""
    settlement = Settlement(planned=120, reported=105, refunded=15, unexplained=15, differing=1, unreported=1)
    made = Account(
        provider="apiframe",
        unit="credits",
        settlement=settlement,
        spent=105,
        held=15,
        budget=600,
        usd_per_credit=Decimal("0.01"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def report(rows: tuple[ReportRow, ...] = ROWS, **changes: object) -> Report:
    """Return a report of a campaign in every state."""
    made = Report(
        title="solstice",
        name="campaign.yaml",
        profile=None,
        made_at="2026-11-21T12:00:00Z",
        rows=rows,
        others=OTHERS,
        accounts=(account(),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def hostile_rows() -> tuple[ReportRow, ...]:
    """Return rows in which every text is hostile, each text in every place once."""
    return tuple(
        row(
            f"shot{index}[{text}]",
            shot=f"shot{index}{text}",
            axes=((f"axis{index}", text),),
            labels={f"label{index}": text},
            provider="apiframe",
            model=text,
            variant=text,
            prompt=text,
            params={"negative_prompt": text, "list": [text]},
            state=tuple(RowState)[index % len(RowState)],
            job_id=text,
            output=f"renders/{text}.mp4",
            error=text,
            reason=text,
            sha256=text,
        )
        for index, text in enumerate(HOSTILE)
    )


def parts() -> Parts:
    """Return the packaged parts of the pages."""
    templates = {name: packaged_page(name) for name in TEMPLATES}
    return Parts(templates=templates, style=packaged_page("page.css"), script=packaged_page("page.js"))


def golden(name: str, text: str) -> str:
    """Return what a document should be; KBATCH_WRITE_GOLDEN=1 writes it anew, to be reviewed in the diff."""
    path = GOLDEN / name
    if os.environ.get("KBATCH_WRITE_GOLDEN"):
        path.write_bytes(text.encode())
    return path.read_bytes().decode()
