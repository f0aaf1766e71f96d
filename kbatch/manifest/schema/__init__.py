"""The manifest's JSON Schema, and what is said of a manifest that does not fit it."""
