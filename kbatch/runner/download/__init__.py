"""Downloads one clip: attempts, ranges, verification."""
