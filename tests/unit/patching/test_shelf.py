"""Rules that every patch of the shelf keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot import catalog, patching
from dreamboot.host.local import LocalHost
from dreamboot.model import Gpu, Machine, Vendor
from dreamboot.patching.patch import CreateFile, ReplaceText
from dreamboot.patching.shelves import folder

SHELF = patching.shelf(LocalHost())
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("patch", SHELF, ids=lambda patch: patch.name)
def test_says_why_for_whom_and_until_when(patch: patching.Patch) -> None:
    assert patch.why and patch.sources and patch.remove_when and patch.verify
    assert patch.name.startswith(f"{patch.target.distribution}/")
    assert patch.target.versions.startswith("==")
    compile(patch.verify, patch.name, "exec")
    replaced = {effect.path for effect in patch.effects if isinstance(effect, ReplaceText)}
    assert set(patch.hashes) == replaced


def test_names_are_unique() -> None:
    assert len({patch.name for patch in SHELF}) == len(SHELF) >= 5


def created(name: str, path: str) -> str:
    patch = next(patch for patch in SHELF if patch.name == name)
    return next(each.text for each in patch.effects if isinstance(each, CreateFile) and each.path == path)


def test_the_windows_patches_carry_one_and_the_same_file() -> None:
    names = [patch.name for patch in SHELF if "windows-dll" in patch.name]
    texts = {created(name, "bitsandbytes/cuda_setup/windows_dll.py") for name in names}
    assert (len(names), len(texts)) == (3, 1)


def test_the_attention_patch_carries_the_trainers_own_file() -> None:
    text = created("diffusers/memory-efficient-attention", "diffusers/models/memory_efficient_attention.py")
    assert text == (ROOT / "trainer/dreamboot_trainer/attention.py").read_text()


def test_found_in_the_checkout() -> None:
    assert folder(LocalHost()) == ROOT / "patches"


SEED = {"bitsandbytes": "==0.34.0", "diffusers": "==0.7.2", "torch": "==1.12.1"}
NVIDIA = (Gpu(vendor=Vendor.NVIDIA, name="NVIDIA GeForce GTX 1080 Ti"),)


@pytest.mark.parametrize(
    ("os", "versions", "expected"),
    [
        ("windows", SEED, {"bitsandbytes/windows-dll-0.34", "diffusers/memory-efficient-attention"}),
        ("linux", SEED, {"bitsandbytes/no-driver-0.34", "diffusers/memory-efficient-attention"}),
        ("linux", {**SEED, "torch": "2.0.1+cu118"}, {"bitsandbytes/no-driver-0.34"}),
        ("windows", {"bitsandbytes": "0.43.0", "diffusers": "0.42.0", "torch": "2.13.0"}, set()),
    ],
)
def test_applies_where_it_should(os: str, versions: dict, expected: set) -> None:
    facts = patching.facts_of(Machine(os=os, gpus=NVIDIA), versions)
    verdicts = patching.applicable(facts, SHELF)
    assert set(patching.names_of(verdicts)) == expected
    assert all(verdict.reason for verdict in verdicts)


def test_on_todays_stack_the_right_number_is_zero() -> None:
    versions = {"torch": "2.13.0", "diffusers": "0.42.0", "bitsandbytes": "0.50.2", "transformers": "5.0.0"}
    for os in ("linux", "windows", "macos"):
        facts = patching.facts_of(Machine(os=os, gpus=NVIDIA), versions)
        assert patching.names_of(patching.applicable(facts, SHELF)) == ()


def test_every_patch_that_the_catalog_names_is_on_the_shelf() -> None:
    named = {name for stack in catalog.load().stacks for name in stack.patches}
    assert named <= {patch.name for patch in SHELF}
