"""Draws a plan as a graph: shots, the frames that pass between them, and what each costs."""
