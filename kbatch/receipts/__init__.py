"""What was bought and how far it came: events, the receipts folded from them, the lockfile and the journal on disk."""
