"""Costs of a plan by shot, model, label and axis value, and what dropping each of them saves."""
