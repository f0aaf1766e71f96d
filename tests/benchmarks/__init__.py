"""Benchmarks: kbatch and the floor of each piece of work, in one run; `python -m tests.benchmarks`. No part of the suite."""
