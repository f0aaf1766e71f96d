"""The manifest's JSON Schema, and the messages for a manifest that does not fit it."""
