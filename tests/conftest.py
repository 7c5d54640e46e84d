"""For all tests: property tests draw the same examples each time, so that a green checkout stays green."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
