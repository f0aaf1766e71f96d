"""Reads clip files: MP4 boxes, frames, posters."""
