"""The lockfile: its text, its schema, its merge, and what is wrong with one."""
