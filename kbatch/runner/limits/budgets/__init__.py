"""Envelopes over many manifests, as a run holds them: reservations that survive kills, and thresholds."""
