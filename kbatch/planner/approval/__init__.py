"""Approval of a plan: its digest, what an approval covers, saved plans, consent, acceptance of clips."""
