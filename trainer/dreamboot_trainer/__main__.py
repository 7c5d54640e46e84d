"""`python -m dreamboot_trainer`."""

from __future__ import annotations

import sys

from dreamboot_trainer.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
