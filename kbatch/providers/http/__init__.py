"""HTTP for all providers: transports, hosts, URLs, certificates, the key's mask; the only importer of HTTP clients."""
