"""Reads a manifest's text into drafts of jobs, or into problems with line and column; pure."""
