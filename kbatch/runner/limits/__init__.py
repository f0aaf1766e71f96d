"""What bounds a run: rates, concurrency, waits, credits, prices, paths."""
