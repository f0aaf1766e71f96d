"""Simulates the providers on this machine, with a bill; independent of `providers/`, so that both check each other."""
