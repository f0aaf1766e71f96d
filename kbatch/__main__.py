"""`python -m kbatch` is `kbatch`."""

from kbatch.cli import main

if __name__ == "__main__":
    main()
