"""Contents of reports as values: rows, accounts, status, differences, explanations."""
