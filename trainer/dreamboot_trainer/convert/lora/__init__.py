"""LoRA files: kohya's names (web UI, ComfyUI) to diffusers' names (peft) and back."""

from __future__ import annotations

from dreamboot_trainer.convert.lora.files import is_lora, lora_file, lora_to_diffusers, lora_to_kohya

__all__ = ["is_lora", "lora_file", "lora_to_diffusers", "lora_to_kohya"]
