"""The first stage: a manifest's text becomes drafts, or problems with their places; pure."""
