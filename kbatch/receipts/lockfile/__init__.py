"""The lockfile: text, schema, merge, audit."""
