"""The accounts of each provider in a run: which one buys, which one is asked, and what each can pay."""
