"""What the HTML pages are made of, and how one refers to the clips beside it."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote

from kbatch.cli.documents import path_of
from kbatch.report.html.pages import TEMPLATES, Parts
from kbatch.storage import descriptor_of, packaged_page


def url_from(page: str, clip: Path) -> str:
    """Return the URL by which a page refers to a clip: relative and percent-encoded; a page on stdout is here."""
    folder = Path.cwd() if descriptor_of(path_of(page)) is not None else Path(page).resolve().parent
    try:
        relative = PurePath(os.path.relpath(clip.resolve(), folder))
    except ValueError:
        return clip.resolve().as_uri()
    return "/".join(quote(part, safe="") if part != ".." else part for part in relative.parts)


def page_parts() -> Parts:
    """Return the packaged parts of the HTML pages."""
    templates = {name: packaged_page(name) for name in TEMPLATES}
    return Parts(templates=templates, style=packaged_page("page.css"), script=packaged_page("page.js"))
