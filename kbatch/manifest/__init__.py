"""A manifest's text becomes drafts of jobs, or problems with their places; pure."""
