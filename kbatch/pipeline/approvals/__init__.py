"""Approvals on disk: recorded beside the lockfile, proven by seal, signature or review, and found for a plan."""
