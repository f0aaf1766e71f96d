"""What many campaigns have spent together, and the envelopes that bound it."""
