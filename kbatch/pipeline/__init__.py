"""Use cases that commands and the Python API share: load a manifest, plan it, compare it, save and read plans."""
