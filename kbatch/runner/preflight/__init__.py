"""Checks before the first submit: account and balance, paths, folders, other lockfiles."""
