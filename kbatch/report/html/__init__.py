"""Plans and runs as self-contained HTML pages."""
