"""The areas that findings and causes are sorted by; a promise of `doctor --json` and `explain --json`."""

from __future__ import annotations

AREAS = (
    "driver", "cuda-wheel-mismatch", "cpu-wheel-installed", "compute-capability", "bitsandbytes", "attention", "abi",
    "version-conflict", "corrupted-install", "python-version", "path-leak", "accelerate-config", "container-runtime",
    "wsl", "windows", "disk-memory", "vram", "precision", "model-files", "network-auth", "permissions", "dataset",
)  # fmt: skip
