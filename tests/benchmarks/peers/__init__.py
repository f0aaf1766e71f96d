"""The same campaign on the tools that a user would pick instead, each installed for the benchmark only."""
