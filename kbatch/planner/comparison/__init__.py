"""Two plans side by side: what was added, removed or changed, and what it does to the cost."""
