"""Benchmarks, no part of the suite: kbatch and the floor of each piece of work; `python -m tests.benchmarks`."""
