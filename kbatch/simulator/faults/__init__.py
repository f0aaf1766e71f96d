"""Scripted faults: their catalogue, their file, their selection and their HTTP responses."""
