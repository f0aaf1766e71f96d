"""One job's purchase: images to the provider, the paying call, and what became of an unknown send."""
