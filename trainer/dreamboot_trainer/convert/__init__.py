"""Conversion between original-layout checkpoints and diffusers folders, offline and streaming. Imports no torch."""

from __future__ import annotations

from dreamboot_trainer.convert.any import convert
from dreamboot_trainer.convert.detect import detect
from dreamboot_trainer.convert.folder import from_original
from dreamboot_trainer.convert.lora import lora_to_diffusers, lora_to_kohya
from dreamboot_trainer.convert.original import to_original
from dreamboot_trainer.convert.report import Report

__all__ = ["Report", "convert", "detect", "from_original", "lora_to_diffusers", "lora_to_kohya", "to_original"]
