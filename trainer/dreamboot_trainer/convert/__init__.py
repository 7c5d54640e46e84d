"""Conversion between original-layout checkpoints and diffusers folders, offline and streaming. Imports no torch."""

from __future__ import annotations

from dreamboot_trainer.convert.detect import detect
from dreamboot_trainer.convert.folder import from_original
from dreamboot_trainer.convert.original import to_original
from dreamboot_trainer.convert.report import Report

__all__ = ["Report", "detect", "from_original", "to_original"]
