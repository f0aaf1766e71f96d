"""PROVIDERS has a row for every field that AI/ML's answers hold and every fault that changes one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator_calls import AIMLAPI_KEY, START, aimlapi_poll, aimlapi_submit, call, document, job_id, new

from kbatch.simulator.faults.faultkinds import KINDS

PAGE = (Path(__file__).resolve().parents[2] / ".github/PROVIDERS.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## AI/ML, field by field")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("| ")
][1:]


def listed(place: str) -> set[str]:
    """Return the fields of a place of the table."""
    return {name for where, cell, *_ in ROWS if where == place for name in re.findall(r"`([^`]+)`", cell)}


def answered() -> Mapping[str, set[str]]:
    """Return the fields of true answers by their place."""
    world = new()
    submitted = aimlapi_submit(world)
    polled = aimlapi_poll(world, job_id(submitted))

    def got(path: str, query: Mapping[str, str] | None = None) -> Any:
        return document(call(world, "GET", path, headers=AIMLAPI_KEY, query=query, now=START + 9))

    log, ledger = got("/v2/logs", {"period": "1h"}), got("/v2/billing/transactions")
    models = got("/v1/models", {"include": "all"})
    refused = [document(aimlapi_submit(world, duration=7)), document(call(world, "GET", "/v2/billing"))]
    return {
        "every answer": {name for reply in (submitted, polled) for name in reply.headers if name.startswith("x-")},
        "job": {*document(submitted), *document(polled)},
        "log": {*log, *log["data"][0]},
        "ledger": {*ledger, *ledger["data"][0]},
        "models": {*models, *models["data"][0]},
        "account": set(got("/v2/billing")),
        "error": {name for one in refused for name in one},
    }


def test_each_answered_field_has_a_row() -> None:
    """No field or header of an answer is missing from the table."""
    found = answered()
    assert {place: sorted(fields - listed(place)) for place, fields in found.items()} == {place: [] for place in found}


def test_each_fault_of_aimlapi_alone_has_its_place() -> None:
    """What can be bent is said where the field stands."""
    own = {name for name, kind in KINDS.items() if kind.provider == "aimlapi"}
    assert sorted(name for name in own if f"`{name}`" not in TABLE) == []


def test_each_row_says_what_both_do() -> None:
    """Four cells; what kbatch leaves out has its reason."""
    assert {len(row) for row in ROWS} == {4}
    for place, name, client, simulator in ROWS:
        assert re.fullmatch(r"used(: .+)?|left out: .+", client), (place, name)
        assert simulator, (place, name)
