"""Receipts of purchases: events, the receipts folded from them, journal and lockfile."""
