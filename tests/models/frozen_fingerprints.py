"""Fingerprints of packaged models as they were when the first clips were paid for: they may never change."""

from typing import Any

from packaged_cards import AIMLAPI

_URL = "https://a.example/b.png"
FROZEN: list[tuple[str, dict[str, Any], str]] = [
    ("kling-2.1", {}, "7a44a4a2839afb9e977efcfdb29359d72ef9c7f92d9802af3626aa959c38f49c"),
    (
        "kling-2.1",
        {
            "mode": "pro",
            "duration": 10,
            "start_image": "a.png",
            "end_image": _URL,
            "cfg_scale": 0.5,
            "negative_prompt": "blur",
        },
        "b5c18b29e2959545f33765a3a1aa487a8a2478bf4d7caab6adf999cabf70bd74",
    ),
    ("kling-2.5-turbo-pro", {}, "44eebafd6ab95ad995c201d2c14faa0c20dc90d35251b4a1046da74c14ec9cf7"),
    (
        "kling-2.5-turbo-pro",
        {"end_image": "a.png", "start_image": "data:image/png;base64,AAAA"},
        "c703ee3a9169a270db1198d18a70f778037450e6abf196230921105f009194d4",
    ),
    ("kling-2.6", {}, "d9441688520a121b335bc15ff69d999bc91d1ce1b6cc9d16f78d950b8daa80d9"),
    (
        "kling-2.6",
        {"generate_audio": False, "start_image": _URL, "aspect_ratio": "9:16"},
        "e3749dcf20a2bc17d101bd55419c73aa07a9ab978e1245d8663acbfd9d71c5dd",
    ),
    ("kling-3.0", {}, "dc039d976d6915483877845417389841db2e34ed0a77040932fc84fc46731a8c"),
    (
        "kling-3.0",
        {"multi_prompt": [{"prompt": "a", "duration": 2}, {"prompt": "b", "duration": 3}], "end_image": _URL},
        "58319332477338b396b473a326f6dadb52e40eb8852eb4224abe547995c7bc49",
    ),
    (AIMLAPI, {"image_url": "a.png"}, "9d9db1842c577e0de181604334595321456f6db5b13f356f718f06d75dcf6e41"),
    (
        AIMLAPI,
        {"image_url": _URL, "static_mask": _URL, "duration": 10, "type": "image-to-video", "external_task_id": "x"},
        "5352972b025ec9a7642712458ffecf0a463b133d89a16f71f36c2f6ed01506ac",
    ),
]
