"""Plans, comparisons and runs as Markdown for pull requests and job summaries."""
