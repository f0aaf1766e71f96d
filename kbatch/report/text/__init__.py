"""Plans, comparisons, explanations and problems as text for a terminal."""
