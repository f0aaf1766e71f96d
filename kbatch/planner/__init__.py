"""Makes a priced plan from jobs and receipts, and checks consent to it; pure."""
