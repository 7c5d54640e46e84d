"""Planning: a machine, a wish and the catalog become a plan, or a refusal with the way out. Pure: no I/O."""

from __future__ import annotations

from dreamboot.planning.decide import plan

__all__ = ["plan"]
