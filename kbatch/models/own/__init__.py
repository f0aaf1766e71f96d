"""Cards that come from outside kbatch: their faults, and their place in the catalog."""
