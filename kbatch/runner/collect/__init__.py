"""Collects accepted jobs: polls, downloads, moves clips, writes sidecars."""
