"""One command a file: it reads its flags, calls the pipeline, and shows what came of it."""
