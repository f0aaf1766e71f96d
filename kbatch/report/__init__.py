"""Results for people and programs, made of values: nothing here reads a file, asks a provider or prints."""
