"""The HTML pages as text: nothing fetched, no foreign script run, everything labelled."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_plans import CITIES, loaded, plan_of, receipt_of, review_of
from report_samples import HOSTILE, hostile_rows, parts, report, row

from kbatch.report.html import plan_html, report_html
from kbatch.report.html.report_html import ShownClip

VOID = frozenset(("meta", "link", "input", "br", "img"))


class Page(HTMLParser):
    """The elements of a page with their attributes, and what scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        self.elements.append((tag, dict(attributes)))
        self.open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of an element without content."""
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        """Elements nest."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep what a script or a style holds."""
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]


def clips(*outputs: str) -> dict[str, ShownClip]:
    """Return clips beside the page, with posters."""
    return {
        output: ShownClip(href=f"clips/{index}.mp4", poster=b"\xff\xd8jpeg") for index, output in enumerate(outputs)
    }


def report_page(*rows: object, **changes: object) -> Page:
    """Return the page of a report."""
    made = report(tuple(rows) or report().rows, **changes)  # type: ignore[arg-type]
    return Page(report_html.as_html(made, clips(*(each.output for each in made.rows)), parts()))


def plan_page(folder: Path, body: str = CITIES) -> Page:
    """Return the page of a plan."""
    return Page(plan_html.as_html(review_of(plan_of(loaded(folder, body), {}), objections=("over",)), parts()))


@pytest.fixture(params=["report", "hostile", "plan"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Page:
    """Return each kind of page once."""
    if request.param == "plan":
        return plan_page(tmp_path)
    return report_page() if request.param == "report" else report_page(*hostile_rows())


def test_nothing_comes_from_elsewhere(page: Page) -> None:
    """Every address in an attribute is inside the page, or a clip beside it."""
    for _, attributes in page.elements:
        for name in ("src", "href", "poster", "action", "data", "srcset", "xlink:href"):
            value = attributes.get(name)
            assert value is None or re.match(r"data:|#|clips/\d+\.mp4$", value), (name, value)


def test_the_policy_allows_exactly_the_pages_own_code(page: Page) -> None:
    """One script and one style, whose hashes the policy names; no inline handler and no style attribute."""
    (policy,) = [each["content"] or "" for each in page.of("meta") if each.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        (text,) = page.raw[kind]
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_hostile_texts_add_no_element() -> None:
    """A page of hostile texts has the very elements that a page of harmless ones has."""
    tame = [row(f"shot{i}[x]", **_like(each, i)) for i, each in enumerate(hostile_rows())]
    hostile = [tag for tag, _ in report_page(*hostile_rows()).elements]
    assert not {"img", "iframe", "object", "evil", "form2"} & set(hostile)
    assert hostile.count("script") == 1
    assert sorted(set(hostile)) == sorted({tag for tag, _ in report_page(*tame).elements})


def _like(each: object, index: int) -> dict[str, object]:
    return {"shot": f"shot{index}", "state": each.state, "error": "x", "reason": "x", "prompt": "x " * 200}  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\u202e" in text or "\x1b" in text])
def test_directions_and_controls_are_taken_out(text: str) -> None:
    """A direction override or a control character does not reach the page."""
    made = report((row(prompt=text),))
    shown = report_html.as_html(made, {}, parts())
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", shown)


def test_the_page_is_sound(page: Page) -> None:
    """Language, one main, one first heading, unique ids, references that lead somewhere, a count that is announced."""
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("main")) == len(page.of("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby") in (None, *ids)
    assert [each for each in page.of("p") if each.get("aria-live") == "polite"]


def test_takes_of_a_request_stand_side_by_side() -> None:
    """Two takes are two figures in one article, and the prompt that they share stands once."""
    made = report_html.as_html(report(), clips(*(each.output for each in report().rows)), parts())
    article = made.split("<article")[1].split("</article>")[0]
    assert article.count('class="take"') == 2
    assert article.count("a ridge at dusk, slow dolly in") == 1
    assert "Play the takes together" in article


def test_a_clip_that_is_not_here_has_a_placeholder() -> None:
    """Without a file there is no video, but words that say what to do."""
    made = report_html.as_html(report((row(here=False),)), {}, parts())
    assert "<video" not in made
    assert "<code>kbatch pull</code> fetches it" in made


def test_without_pyav_a_clip_still_plays() -> None:
    """A clip without a poster gets a drawing that is inside the page."""
    made = report((row(),))
    (video,) = Page(report_html.as_html(made, {row().output: ShownClip(href="clips/0.mp4")}, parts())).of("video")
    assert (video["poster"] or "").startswith("data:image/svg+xml,")
    assert video["preload"] == "none"


def test_a_rehearsal_says_so() -> None:
    """Simulated clips are never mistaken for bought ones."""
    assert "nothing real was bought" in report_html.as_html(report(simulated=True), {}, parts())
    assert "nothing was bought" not in report_html.as_html(report(), {}, parts())


def test_a_plans_page_has_what_an_approver_needs(tmp_path: Path) -> None:
    """Amount, reason, digest and command stand in the page; where something objects, its words and no command."""
    manifest = loaded(tmp_path)
    plan = plan_of(manifest, {manifest.jobs[0].fingerprint: receipt_of(manifest.jobs[0])})
    made = plan_html.as_html(review_of(plan), parts())
    for words in ("Buys 4 clips for 69 credits", "not bought yet", plan.digest, "--approve", "dropping it saves"):
        assert words in made
    refused = plan_html.as_html(review_of(plan, objections=("over the budget",)), parts())
    assert "over the budget" in refused
    assert "--approve" not in refused
    assert "4 credits/s × 6 s = 24" in made


def test_what_dropping_a_part_saves_is_that_of_planning_without_it(tmp_path: Path) -> None:
    """Each row of the page's table, recomputed from the plan of the jobs that are left."""
    body = """\
shots:
  - {id: hero, model: kling-2.1, prompt: "{{ city }}", labels: {market: eu}, matrix: {city: [a, b]}}
  - {id: end, model: kling-2.1, prompt: "x {{ light }}", matrix: {light: [d, n]},
     params: {start_image: "{{ last_frame('hero', city='a') }}", mode: pro}, takes: 2}
"""
    plan = plan_of(loaded(tmp_path, body), {})
    page = plan_html.as_html(review_of(plan), parts())
    cells = r'<tr><td>([^<]*)</td><th scope="row">([^<]*)</th>.*?<td class="number">([\d,]*)</td></tr>'
    rows = {(side, name): int(saves) for side, name, saves in re.findall(cells, page)}
    hero = {entry.address: entry.credits or 0 for entry in plan.entries if entry.job.draft.shot == "hero"}
    end = sum(entry.credits or 0 for entry in plan.entries if entry.job.draft.shot == "end")
    assert rows["shot", "hero"] == rows["label", "market=eu"] == sum(hero.values()) + end
    assert rows["shot", "end"] == end
    assert rows["axis value", "city=a"] == hero["hero[city=a]"] + end
    assert rows["axis value", "city=b"] == hero["hero[city=b]"]
    assert rows["axis value", "light=d"] == end // 2
