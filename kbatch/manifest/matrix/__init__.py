"""Axes, their labels, and the combinations that they make."""
