"""GPU names as drivers and people spell them."""

from __future__ import annotations

import pytest

from dreamboot import catalog
from dreamboot.catalog.gpus import find


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("GeForce RTX 4090", "8.9"),
        ("RTX 4090", "8.9"),
        ("rtx 4090", "8.9"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "8.9"),
        ("NVIDIA GeForce RTX 3060 12GB", "8.6"),
        ("NVIDIA GeForce GTX 1060 6GB", "6.1"),
        ("GeForce GTX 1070 with Max-Q Design", "6.1"),
        ("NVIDIA GeForce RTX 208...", "7.5"),
        ("GeForce GTX 1080...", "6.1"),
        ("Tesla V100-SXM2-32GB", "7.0"),
        ("Tesla V100-SXM2-16GB-LS", "7.0"),
        ("NVIDIA A100-SXM4-80GB", "8.0"),
        ("NVIDIA A100 80GB PCIe", "8.0"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA H100 NVL", "9.0"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("Quadro RTX 8000", "7.5"),
        ("NVIDIA RTX A2000 12GB", "8.6"),
        ("Quadro P2000", "6.1"),
        ("NVIDIA TITAN X (Pascal)", "6.1"),
        ("NVIDIA GeForce MX250", "6.1"),
        ("NVIDIA T1000 8GB", "7.5"),
        ("NVIDIA RTX PRO 4000 Blackwell", "12.0"),
        ("NVIDIA GB10", "12.1"),
        ("NVIDIA GeForce RTX 5070 Ti Laptop GPU", "12.0"),
        ("NVIDIA GeForce RTX 2050", "8.6"),
        ("NVIDIA GeForce GTX 960M", "5.0"),
        ("NVIDIA Corporation GeForce GTX 970", "5.2"),
    ],
)
def test_known(name: str, capability: str) -> None:
    assert find(name, catalog.load()).compute_capability == capability


@pytest.mark.parametrize("name", ["Graphics Device", "NVIDIA GeForce ...", "", "NVIDIA", "Matrox G200", "..."])
def test_not_known_is_said(name: str) -> None:
    match = find(name, catalog.load())
    assert match.compute_capability == ""
    assert not match.newer


@pytest.mark.parametrize(
    ("name", "newer"),
    [
        ("NVIDIA GeForce RTX 6090", True),
        ("NVIDIA GeForce RTX 7070 Ti", True),
        ("NVIDIA GeForce RTX 5095", False),
        ("NVIDIA RTX 9000 Something", False),
    ],
)
def test_newer_than_the_catalog(name: str, newer: bool) -> None:
    assert find(name, catalog.load()).newer is newer
