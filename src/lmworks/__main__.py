"""Entry point: `python -m lmworks` runs the command `lmworks`."""

from lmworks.cli import main

if __name__ == "__main__":
    main()
