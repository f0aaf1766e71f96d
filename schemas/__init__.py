"""The JSON Schemas and model cards that kbatch reads and publishes."""
