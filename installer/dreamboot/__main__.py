"""`python -m dreamboot`."""

from dreamboot.cli import main

raise SystemExit(main())
