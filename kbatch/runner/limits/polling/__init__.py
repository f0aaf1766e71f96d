"""When a job in flight is polled, and whether by itself or by the list of ended jobs."""
