"""The second stage of thought: jobs meet receipts and become a priced plan, which alone can be consented to; pure."""
