"""The sidecar: what a clip is and where it comes from, in a file of its own beside it, for whoever gets the clip alone.

It is written anew from the receipt whenever a clip comes to a place, so nothing is lost with it. `digitalSourceType` is
a term of the IPTC's vocabulary (cv.iptc.org/newscodes/digitalsourcetype, read 2026-11-21): what a trained model has
made, or, for a simulated clip, what an algorithm has drawn without one.
"""

import json
from collections.abc import Mapping
from typing import Any

from kbatch.receipts.receipt import Receipt, receipt_to_json
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
    """Return the sidecar of a delivered clip at `path`; `kbatch` is the version. `schemas/sidecar.schema.json` has it.

    An `origin` that is only known to be loopback is not called simulated: it may lead to a provider.
    """
    kept = receipt_to_json(receipt)
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
    """Whether a file is one of these, and not something else of the same name."""
    try:
        document = json.loads(data)
    except ValueError:
        return False
    return isinstance(document, dict) and "sidecar_version" in document


def same_sidecar(one: bytes, other: bytes) -> bool:
    """Whether two sidecars say the same of a clip, whichever version of kbatch has written them."""
    first, second = ({**json.loads(data), "kbatch": ""} for data in (one, other))
    return first == second
