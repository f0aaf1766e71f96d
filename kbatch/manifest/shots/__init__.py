"""Shots compiled: what all jobs of a shot share, before one is rendered."""
