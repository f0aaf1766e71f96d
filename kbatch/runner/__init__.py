"""Carries a confirmed plan out: the only part that spends."""
