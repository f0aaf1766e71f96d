"""Approvals: records of who agreed to which plan, up to which maximum and until when."""
