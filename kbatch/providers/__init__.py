"""Both APIs, translated: requests out, outcomes in; what is sent goes through `http/`."""
