"""Jinja templates of untrusted manifests: sandboxed, checked before rendering, bounded in work."""
