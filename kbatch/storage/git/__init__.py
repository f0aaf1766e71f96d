"""Git as a program: what it tracks, files at a revision, the sides of a merge."""
