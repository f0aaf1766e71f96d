"""The journal on disk: events appended durably, read back, and put away."""
