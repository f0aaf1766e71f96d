"""Fit: the edits of a manifest that make its plan cost no more than a limit, at the least loss."""
