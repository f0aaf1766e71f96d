"""Compares two plans: which jobs were added, removed or changed, and the difference in cost."""
