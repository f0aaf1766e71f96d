"""Both providers, pretended on this machine, with a bill of their own; it shares nothing with `providers/`."""
