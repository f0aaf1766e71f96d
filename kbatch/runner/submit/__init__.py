"""Submits one job: uploads its images, sends the paying request, resolves unknown sends."""
