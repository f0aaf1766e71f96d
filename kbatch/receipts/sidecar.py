"""The sidecar: a JSON file beside a clip that describes it and its origin.

It is derived from the receipt and written again whenever a clip is placed. `digitalSourceType` is a term of the IPTC's
vocabulary (cv.iptc.org/newscodes/digitalsourcetype, read 2026-11-21): made by a trained model, or for a simulated clip
drawn by an algorithm.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from kbatch.receipts.lockfile.lockfile_shape import receipt_json
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.simulated_origin import ORIGIN

VERSION = 1
ENDING = ".json"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
DRAWN = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
_SHOWN = (
    "provider", "model", "variant", "origin", "job_id", "attempt", "state", "request", "inputs", "credits",
    "submitted_at", "finished_at", "error",
)  # fmt: skip


def sidecar_of(receipt: Receipt, *, fingerprint: str, address: str, path: str, kbatch: str) -> Mapping[str, Any]:
    """Return the sidecar of a delivered clip, as in `schemas/sidecar.schema.json`; `kbatch` is the version.

    The origin `loopback` does not count as simulated, since it may forward to a provider.
    """
    kept = msgspec.to_builtins(receipt_json(receipt))
    output = kept["output"]
    simulated = receipt.origin == ORIGIN
    return {
        "sidecar_version": VERSION,
        "kbatch": kbatch,
        "digitalSourceType": DRAWN if simulated else GENERATED,
        "simulated": simulated,
        "address": address,
        "fingerprint": fingerprint,
        "clip": {
            "file": path.rpartition("/")[2],
            "sha256": output["sha256"],
            "bytes": output["bytes"],
            "media": output["media"],
        },
        **{name: kept[name] for name in _SHOWN},
    }


def is_sidecar(data: bytes) -> bool:
    """Whether a file's content is a sidecar."""
    try:
        document = json.loads(data)
    except ValueError:
        return False
    return isinstance(document, dict) and "sidecar_version" in document


def same_sidecar(one: bytes, other: bytes) -> bool:
    """Whether two sidecars are equal, the version of kbatch aside."""
    first, second = ({**json.loads(data), "kbatch": ""} for data in (one, other))
    return first == second
