"""Model cards: what a model accepts, its request, its fingerprint and its price; pure."""
