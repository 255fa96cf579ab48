"""Builds and launches the page."""

import sys

from tutor.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
