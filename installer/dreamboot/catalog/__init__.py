"""Facts about the world: releases, builds, GPUs, drivers; data files with a source per row, typed and frozen."""

from __future__ import annotations

from dreamboot.catalog.catalog import Catalog, load

__all__ = ["Catalog", "load"]
