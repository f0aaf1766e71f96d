"""What is owed back for a purchase, and the refund that settles it; claims of approvals are in `receipts/claims`."""
