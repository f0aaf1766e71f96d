"""PROVIDERS lists every field of the vendor's documents, and says truly which of them kbatch reads or sends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_document import DOCUMENT

ROOT = Path(__file__).resolve().parents[2]

PAGE = (ROOT / ".github/PROVIDERS.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Apiframe, field by field")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("| ")
][1:]
PLACES = {
    "/v2/videos/generate": "submit", "/v2/jobs/{id}": "job", "/v2/jobs": "list", "/v2/models": "models",
    "/v2/me": "account", "/v2/uploads": "upload",
}  # fmt: skip
Field = tuple[str, str]


def fields_of(schema: Any, place: str) -> Iterator[Field]:
    """Yield the fields of an object or list, by their dotted names; what a job is, where one stands, is the job's."""
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from fields_of(part, place)
    for name, value in schema.get("properties", {}).items():
        yield place, name
        if place == "account":
            yield from ((place, f"{name}.{below}") for _, below in fields_of(value, place))
        elif name in ("jobs", "models") and "properties" in value.get("items", {}):
            yield from fields_of(value["items"], "job" if name == "jobs" else place)


def documented() -> Iterator[Field]:
    """Yield every field of Apiframe's part of the document with its place in the table."""
    operations = [(DOCUMENT["webhooks"]["jobEvent"]["post"], "webhook")]
    operations += [(operation, PLACES[path]) for path in PLACES for operation in DOCUMENT["paths"][path].values()]
    for operation, place in operations:
        yield from ((place, parameter["name"]) for parameter in operation["parameters"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from fields_of(content["schema"], place)
        for code, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                yield from fields_of(content["schema"], place if code < "400" else "error")
            yield from (("every answer", name) for name in answer.get("headers", {}))
    yield "every call", DOCUMENT["components"]["securitySchemes"]["apiframeKey"]["name"]


def test_each_documented_field_has_a_row() -> None:
    """No field, parameter or header of the document is missing from the table."""
    listed = {(place, name) for place, cell, *_ in ROWS for name in re.findall(r"`([^`]+)`", cell)}
    missing = sorted(set(documented()) - listed)
    assert missing == []
    assert len(set(documented())) > 70


def test_each_row_says_what_both_do() -> None:
    """Four cells; what kbatch leaves out has its reason."""
    assert {len(row) for row in ROWS} == {4}
    for place, name, client, simulator in ROWS:
        assert re.fullmatch(r"used(: .+)?|left out: .+", client), (place, name)
        assert simulator, (place, name)


SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "kbatch").rglob("*.py"))
    if "simulator" not in path.relative_to(ROOT / "kbatch").parts
).lower()


@pytest.mark.parametrize("row", [row for row in ROWS if row[2].startswith("used")], ids=lambda row: "-".join(row[:2]))
def test_what_is_used_stands_in_the_code(row: list[str]) -> None:
    """The name of each field that kbatch is said to use stands in its sources, the simulator's apart."""
    for name in re.findall(r"`([^`]+)`", row[1]):
        last = name.rpartition(".")[2].lower()
        assert re.search(rf"[\"'?&=]{re.escape(last)}[\"'=]", SOURCES), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
def test_faults_that_the_table_names_exist(row: list[str]) -> None:
    """Each fault and option of the simulator in the table is one."""
    from kbatch.cli.commands.simulate import command
    from kbatch.simulator.faults.selection import CATALOGUE

    options = {option for parameter in command.params for option in parameter.opts}
    for word in re.findall(r"(?:by|,) `([a-z0-9-]+)`", row[3]):
        assert word in CATALOGUE or word in options, word
