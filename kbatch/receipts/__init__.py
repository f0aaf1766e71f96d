"""What was bought and how far it came: events, the receipts folded from them, journal and lockfile."""
