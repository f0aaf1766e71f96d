"""From acceptance to the clip at its place: polls, downloads, moves, sidecars."""
