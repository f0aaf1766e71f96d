"""Common parts of all HTML pages: templates, content security policy, filters and charts.

Every text is escaped by Jinja and made harmless first; a policy in the page allows exactly its own script and style, by
their hashes, pictures that are inside it, and clips of its own place; nothing is fetched from elsewhere.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from json import dumps
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from kbatch.report.data.format import harmless_lines
from kbatch.report.data.rows import ReportRow
from kbatch.report.data.shares import Slice
from kbatch.report.html.charts import bars

TEMPLATES = ("layout.html", "parts.html", "report.html", "plan.html", "spend.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a page: templates by name, the style and the script."""

    templates: Mapping[str, str]
    style: str
    script: str


def render_page(name: str, page: Mapping[str, Any], parts: Parts) -> str:
    """Return a page from its template and its view; `page` holds plain values only."""
    environment = Environment(
        loader=DictLoader(dict(parts.templates)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = parts.style.strip(), parts.script.strip()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src 'self' file:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )
    own = {"style": Markup(style), "script": Markup(script)}  # noqa: S704 - kbatch's own files
    return environment.get_template(name).render(page=page, policy=policy, things=page["things"], **own)


def _finalize(value: Any) -> Any:
    return harmless_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def chart(title: str, parts: Sequence[Slice]) -> dict[str, Any]:
    """Return one chart of a page from the slices of one provider."""
    return {"title": title, "bars": bars(parts)}


def charts_by_key(parts: Iterable[Slice], most: int = 8) -> list[dict[str, Any]]:
    """Return one chart for each key of slices named `key=value`, such as labels and axes, that has several values."""
    keys: dict[str, list[Slice]] = {}
    for part in parts:
        key, _, value = part.name.partition("=")
        keys.setdefault(key, []).append(replace(part, name=value))
    return [chart(f"by {key}", each) for key, each in keys.items() if len(each) > 1][:most]


def filters_of(rows: Sequence[ReportRow], states: Mapping[str, str], title: str) -> list[dict[str, Any]]:
    """Return the choices of a page's filters; labels and axes are one choice, as they are for `--label`."""
    labels = dict.fromkeys(f"{name}={value}" for row in rows for name, value in row.labels.items())
    axes = dict.fromkeys(f"{name}={value}" for row in rows for name, value in row.axes)
    both = [("labels", labels), ("axes", axes)]
    return [
        _filter("shot", "Shot", dict.fromkeys(row.shot for row in rows)),
        _filter("model", "Model", dict.fromkeys(row.model for row in rows)),
        {
            "name": "label",
            "title": "Label or axis",
            "groups": [{"title": title, "options": _options(words)} for title, words in both if words],
        },
        _filter("state", title, states),
    ]


def _filter(name: str, title: str, words: Mapping[str, str | None]) -> dict[str, Any]:
    return {"name": name, "title": title, "groups": [{"title": "", "options": _options(words)}]}


def _options(words: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"value": value, "words": shown or value} for value, shown in words.items()]


def attributes_of(row: ReportRow) -> dict[str, Any]:
    """Return the fields of a row for a page's filters and details."""
    labels = [f"{name}={value}" for name, value in (*row.labels.items(), *row.axes)]
    return {
        "address": row.address,
        "shot": row.shot,
        "model": row.model,
        "labels": dumps(labels, ensure_ascii=False),
        "params": [(name, shown(value)) for name, value in row.params.items()],
        "defaulted": row.defaulted,
    }


def shown(value: Any) -> str:
    """Return a parameter's value as text: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else dumps(value, ensure_ascii=False)
