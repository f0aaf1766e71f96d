"""Limits of a run: rates, concurrency, waits, credits, prices, paths."""
