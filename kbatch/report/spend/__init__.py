"""What was spent, by month, label, person and more, in every format."""
