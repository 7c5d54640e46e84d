"""What is known of one environment: read from its files once, before any check, without running anything in it."""

from __future__ import annotations

from dreamboot.doctor.facts.values import Facts

__all__ = ["Facts"]
