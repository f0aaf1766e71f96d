"""Jobs and receipts become a priced plan, which alone can be consented to; pure."""
