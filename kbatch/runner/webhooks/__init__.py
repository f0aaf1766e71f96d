"""Receives webhooks: a signed delivery makes one job be polled now, and says nothing that is believed."""
