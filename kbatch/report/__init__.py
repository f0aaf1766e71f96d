"""Renders results for people and programs from values; reads no file, sends no request and prints nothing."""
