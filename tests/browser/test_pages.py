"""The pages in a real browser: filters, playing clips, accessibility, and nothing of a stranger's that runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).resolve().parents[2] / ".cache" / "editors" / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class View:
    """A page in the browser, what it asked for, and what went wrong on it."""

    page: Any
    folder: Path
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, name: str = "report.html", hash: str = "") -> "View":
        """Load a page from the disk, as someone who double-clicks it."""
        self.page.goto(f"{(self.folder / name).as_uri()}{hash}")
        return self

    def until(self, truth: str) -> None:
        """Wait for an expression to become true; Playwright's own waiting needs `eval`, which the page forbids."""
        for _ in range(100):
            if self.page.evaluate(truth):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never became true: {truth}")

    @property
    def shown(self) -> list[str]:
        """The addresses of what the filters let through."""
        found = self.page.eval_on_selector_all(
            "[data-take]", "all => all.filter(one => one.checkVisibility()).map(one => one.dataset.shot)"
        )
        return [str(name) for name in found]


@pytest.fixture
def view(chromium: Any, pages: Path) -> Iterator[View]:
    """Return a fresh tab that takes note of requests and errors."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(5_000)
    seen = View(page=page, folder=pages)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.errors.append(message.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    yield seen
    context.close()


@pytest.mark.parametrize("name", ["report.html", "plan.html"])
def test_nothing_runs_and_nothing_is_fetched(view: View, name: str) -> None:
    """Hostile prompts and labels are text: no script of theirs ran, and only the page itself was asked for."""
    view.open(name)
    view.page.wait_for_load_state("networkidle")
    assert view.page.evaluate("window.broken") is None
    assert {url for url in view.requests if not url.startswith("data:")} == {(view.folder / name).as_uri()}
    assert view.errors == []
    words = view.page.inner_text("main")
    assert "Lisbon</script><script>window.broken=1</script><img src=x onerror='window.broken=1'>" in words
    assert "\u202e" not in words


def test_filters_narrow_the_sheet_and_live_in_the_address(view: View) -> None:
    """Shot, state, label and search combine; the count is announced; the address brings the same view back."""
    view.open()
    assert view.shown == ["hero"] * 4 + ["square", "card"]
    view.page.select_option("select[name=state]", "failed")
    assert view.shown == ["card"]
    assert view.page.inner_text("#shown") == "1 of 6 clips, 0 credits"
    assert view.page.evaluate("location.hash") == "#state=failed"
    view.page.reload()
    view.until("document.querySelector('#shown').innerText.startsWith('1 of 6')")
    assert view.shown == ["card"]
    view.page.click("button[type=reset]")
    assert len(view.shown) == 6
    assert view.page.inner_text("#shown") == "6 clips, 75 credits"
    view.page.select_option("select[name=label]", "city=oslo")
    view.page.fill("input[name=text]", "OSLO</SCRIPT>")
    assert view.shown == ["hero", "hero"]
    view.page.select_option("select[name=model]", "kling-2.5-turbo-pro")
    assert view.shown == []
    assert view.page.is_visible("#none")


def test_a_hostile_label_is_a_filter_like_any_other(view: View) -> None:
    """Its option holds the very text, and choosing it finds its jobs."""
    view.open()
    label = "market=eu</option><img src=x onerror=window.broken=1>"
    view.page.select_option("select[name=label]", label)
    assert view.shown == ["hero"] * 4
    view.page.reload()
    view.until("document.querySelector('#shown').innerText.startsWith('4 of 6')")
    assert view.page.input_value("select[name=label]") == label
    assert view.page.evaluate("window.broken") is None


def test_an_address_with_filters_opens_filtered(view: View) -> None:
    """A link that someone sent shows what they saw; a value that is not there shows everything of its kind."""
    assert view.open(hash="#shot=square").shown == ["square"]
    view.page.evaluate("location.hash = '#shot=gone&state=done'")
    view.until("document.querySelector('select[name=state]').value === 'done'")
    assert view.shown == ["hero"] * 4 + ["square"]


def test_the_keyboard_suffices(view: View) -> None:
    """From the top: skip to the clips, choose a shot, play a clip, without a mouse."""
    view.open()
    view.page.keyboard.press("Tab")
    assert view.page.evaluate("document.activeElement.className") == "skip"
    view.page.keyboard.press("Enter")
    assert view.page.evaluate("document.activeElement.id") == "content"
    view.page.focus("select[name=shot]")
    view.page.keyboard.type("sq")
    assert view.shown == ["square"]
    view.page.focus(".take:not([hidden]) .play")
    view.page.keyboard.press("Enter")
    view.until("document.querySelector('.take:not([hidden]) video').currentTime > 0.1")
    assert view.page.evaluate("document.activeElement.tagName") == "VIDEO"


def test_a_clip_plays(view: View) -> None:
    """The simulator's H.264 plays from the file beside the page, which is asked for only then."""
    view.open()
    before = [url for url in view.requests if url.endswith(".mp4")]
    view.page.click(".play >> nth=0")
    view.until("document.querySelector('video').currentTime > 0.2")
    facts = "({videoWidth, duration, error, controls}) => [videoWidth > 0, duration, error, controls]"
    state = view.page.evaluate(f"({facts})(document.querySelector('video'))")
    assert state == [True, 5, None, True]
    asked = {url for url in view.requests if url.endswith(".mp4")}
    assert (before, len(asked)) == ([], 1)
    assert all(url.startswith(view.folder.parent.as_uri()) for url in asked)


def test_takes_play_together(view: View) -> None:
    """One button starts the takes of a request side by side, and pauses them."""
    view.open()
    view.page.click("[data-together] >> nth=0")
    takes = "[...document.querySelector('[data-request]').querySelectorAll('video')]"
    view.until(f"{takes}.length === 2 && {takes}.every(video => video.currentTime > 0.1)")
    view.page.click("[data-together] >> nth=0")
    view.until(f"{takes}.every(video => video.paused)")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (400, "light")], ids=["wide-dark", "narrow-light"])
@pytest.mark.parametrize("name", ["report.html", "plan.html"])
def test_axe_finds_no_fault(view: View, name: str, width: int, scheme: str) -> None:
    """axe-core finds nothing serious or critical, contrast included, and nothing is wider than the window."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install --prefix .cache/editors axe-core)")
    view.page.emulate_media(color_scheme=scheme)
    view.page.set_viewport_size({"width": width, "height": 900})
    view.open(name)
    view.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    view.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = view.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, json.dumps(serious, indent=1)[:3_000]


def test_without_scripts_everything_is_there(chromium: Any, pages: Path) -> None:
    """A reader without JavaScript sees every clip with the browser's own controls, and no filter that does nothing."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "report.html").as_uri())
    assert page.locator("[data-take]").count() == 6
    assert page.locator("video[controls]").count() == 5
    assert not page.is_visible("#filters")
    assert not page.is_visible("[data-together] >> nth=0")
    context.close()


def test_paper_gets_pictures_and_no_buttons(view: View) -> None:
    """In print the filters and buttons are gone, the clips' posters and prompts stay."""
    view.open()
    view.page.emulate_media(media="print")
    assert not view.page.is_visible("#filters")
    assert not view.page.is_visible(".play >> nth=0")
    assert view.page.is_visible("video >> nth=0")
    assert view.page.is_visible(".prompt >> nth=0")


@pytest.mark.parametrize("width", [1280, 480])
def test_an_opened_prompt_keeps_within_its_card(view: View, width: int) -> None:
    """`more` shows a long text inside the card: nothing in it is wider than the card is."""
    view.page.set_viewport_size({"width": width, "height": 900})
    view.open()
    opened = "all => all.map(one => { one.open = true; return one.scrollWidth; })"
    assert view.page.eval_on_selector_all("[data-take] details", opened)
    wider = view.page.eval_on_selector_all(
        "[data-take]",
        """cards => cards.filter(card => card.checkVisibility()).flatMap(card => [...card.querySelectorAll("*")]
            .filter(one => one.getBoundingClientRect().right > card.getBoundingClientRect().right + 1)
            .map(one => one.outerHTML.slice(0, 80)))""",
    )
    assert wider == []
