"""Where a command's documents go: a file, written whole, or stdout for `-`; and what its pages are made of."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote

import click

from kbatch.files import packaged_page, write_atomic
from kbatch.report.pages import TEMPLATES, Parts

STDOUT = "-"


def write_output(target: str, text: str) -> None:
    """Write a document where the user wants it; a usage error when it cannot be written there."""
    if target == STDOUT:
        click.echo(text, nl=False)
        return
    try:
        write_atomic(Path(target), text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise click.FileError(target, error.strerror or str(error)) from error


def url_from(page: str, clip: Path) -> str:
    """Return the URL by which a page refers to a clip: relative and percent-encoded; a page on stdout is here."""
    folder = Path.cwd() if page == STDOUT else Path(page).resolve().parent
    try:
        relative = PurePath(os.path.relpath(clip.resolve(), folder))
    except ValueError:
        return clip.resolve().as_uri()
    return "/".join(quote(part, safe="") if part != ".." else part for part in relative.parts)


def page_parts() -> Parts:
    """Return the packaged parts of the HTML pages."""
    templates = {name: packaged_page(name) for name in TEMPLATES}
    return Parts(templates=templates, style=packaged_page("page.css"), script=packaged_page("page.js"))
