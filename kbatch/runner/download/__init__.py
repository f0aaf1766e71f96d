"""Fetches one clip: attempts, ranges, verification."""
