"""The folder of model cards that a user brings: read and checked, and a new card written into it."""
