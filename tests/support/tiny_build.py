"""Builds the tiny environment in a process of its own, to be killed: python tiny_build.py HOME URL."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "installer"), str(ROOT / "trainer"), str(ROOT / "tests")]


def main() -> None:
    """Build; one line per event."""
    from dreamboot import host
    from dreamboot.building.build import build
    from dreamboot.building.layout import Layout
    from dreamboot.model import DreambootError
    from support.tiny_index import order

    home, url = sys.argv[1:3]
    try:
        for event in build(host.current(), Layout(home=Path(home)), order(url)):
            print(f"{event.kind.value} {event.stage} {event.message}", flush=True)
    except DreambootError as error:
        sys.exit(f"{error.problem.id}: {error.problem.what} {error.problem.cause}")


if __name__ == "__main__":
    main()
