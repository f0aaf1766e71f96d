"""Both public price lists, translated: the request without a key, and the strict reading of its answer."""
