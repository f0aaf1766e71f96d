"""What is agreed to: what an approval covers, saved plans, consent; a confirmed plan is made here only."""
