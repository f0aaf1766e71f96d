"""What is owed back, for a person and for the provider's support: a list, and the pages of a folder of evidence."""
