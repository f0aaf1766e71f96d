"""What reports show, as values: rows, accounts, status, differences, explanations."""
