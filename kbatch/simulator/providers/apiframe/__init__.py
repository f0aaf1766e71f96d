"""Apiframe v2 as its documents describe it: every endpoint, its answers and its documented errors."""
