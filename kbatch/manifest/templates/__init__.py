"""Jinja templates from strangers: sandboxed, checked before rendering, bounded in work."""
