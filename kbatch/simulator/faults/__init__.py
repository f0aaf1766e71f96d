"""Faults on script: their catalogue, their file, when they strike, and how they look on the wire."""
