"""What a person sees: the only folder that prints or asks."""
