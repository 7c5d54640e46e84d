"""Faults in the genuine CPU training stack: files, records, and real releases that do not go together."""

from __future__ import annotations

import shutil

import pytest
from world import bad

pytestmark = [pytest.mark.long, pytest.mark.real]


def without(path):
    """A file (or folder) of site-packages goes away."""

    def fault(env):
        gone = env.site / path
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    fault.__name__ = f"without {path}"
    return fault


def cut(path):
    """A library is half as long."""

    def fault(env):
        whole = env.site / path
        env.write(path, whole.read_bytes()[: whole.stat().st_size // 2])

    fault.__name__ = f"cut {path}"
    return fault


def overwritten(path):
    """A guide told to copy another file over it."""

    def fault(env):
        env.write(path, "# copied from a guide\n" + (env.site / path).read_text())

    fault.__name__ = f"overwritten {path}"
    return fault


def release(*requirements):
    """Another genuine release is installed over the one that fits."""

    def fault(env):
        env.install(*requirements)

    fault.__name__ = " ".join(requirements)
    return fault


def removed(name):
    def fault(env):
        env.uninstall(name)

    fault.__name__ = f"pip uninstall {name}"
    return fault


def record_of(name, file):
    def fault(env):
        next(env.site.glob(f"{name}-*.dist-info/{file}")).unlink()

    fault.__name__ = f"no {file} of {name}"
    return fault


def torch_metadata_gone(env):
    shutil.rmtree(next(env.site.glob("torch-*.dist-info")))


def hub_recorded_twice(env):
    env.write("huggingface_hub-0.17.1.dist-info/METADATA", "Name: huggingface-hub\nVersion: 0.17.1\n")
    env.write("huggingface_hub-0.17.1.dist-info/RECORD", "")


def torch_half_removed(env):
    (env.site / "torch").rename(env.site / "~orch")
    next(env.site.glob("torch-*.dist-info")).rename(env.site / "~orch-2.13.0.dist-info")


# (fault, the id that names it, its status, whether --fix mends it)
FAULTS = (
    (without("torch/functional.py"), "files-missing", "error", True),
    (without("torch/version.py"), "files-missing", "error", True),
    (without("torch/lib/libc10.so"), "files-missing", "error", False),
    (cut("torch/lib/libshm.so"), "files-missing", "error", False),
    (without("torch"), "files-missing", "error", False),
    (without("bitsandbytes/libbitsandbytes_cpu.so"), "files-missing", "error", True),
    (without("diffusers/models/__init__.py"), "files-missing", "error", True),
    (without("accelerate/utils/memory.py"), "files-missing", "error", False),
    (without("transformers/modeling_utils.py"), "files-missing", "error", False),
    (without("safetensors/torch.py"), "files-missing", "error", True),
    (cut("tokenizers/__init__.py"), "files-changed", "warning", True),
    (overwritten("bitsandbytes/cextension.py"), "files-changed", "warning", True),
    (overwritten("diffusers/training_utils.py"), "files-changed", "warning", True),
    (record_of("transformers", "RECORD"), "records-complete", "error", True),
    (record_of("numpy", "METADATA"), "records-complete", "error", True),
    (torch_metadata_gone, "torch-found", "warning", False),
    (hub_recorded_twice, "duplicate-packages", "error", True),
    (torch_half_removed, "half-removed", "error", False),
    (removed("safetensors"), "requirements-met", "error", True),
    (removed("regex"), "requirements-met", "error", True),
    (removed("numpy"), "requirements-met", "error", True),
    (removed("torch"), "torch-found", "error", False),
    (release("huggingface-hub==0.36.0"), "known-conflicts", "error", True),
    (release("diffusers==0.25.0"), "known-conflicts", "error", True),
    (release("diffusers==0.34.0"), "known-conflicts", "error", True),
    (release("accelerate==0.31.0"), "known-conflicts", "error", True),
    (release("transformers==4.44.2", "tokenizers==0.19.1"), "known-conflicts", "error", True),
    (release("tokenizers==0.19.1"), "requirements-met", "error", True),
    (release("safetensors==0.4.5"), "requirements-met", "error", True),
    (release("tensorboard==2.6.0", "protobuf==5.29.0"), "known-conflicts", "error", False),
    (release("tensorboard==2.19.0", "setuptools>=82"), "known-conflicts", "error", False),
)


def test_the_healthy_stack_is_green(full):
    assert bad(full.doctor()) == {}


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row[0].__name__)
def test_the_cause_is_named_and_mended(full, row):
    fault, name, status, mended = row
    fault(full)
    told = full.doctor()
    assert bad(told) == {name: status}
    if mended:
        fixed = full.doctor("--fix", "--yes")
        assert bad(fixed) == {}, fixed.get("fixed")
        assert all(one["done"] and one["proven"] for one in fixed["fixed"])


def test_deep_finds_nothing_in_the_healthy_stack(full):
    ok = {one["id"] for one in full.doctor("--deep")["findings"] if one["status"] == "ok"}
    assert {"deep-import-torch", "deep-matmul-cpu-float32", "deep-attention-cpu", "deep-eight-bit-cpu"} <= ok
    assert "deep-training-step" in ok


def test_deep_sees_what_files_do_not_tell(full):
    full.write("peft/__init__.py", "raise RuntimeError('CUDA Setup failed despite GPU being available.')\n")
    # diffusers itself is imported all the same: only what a training step loads is broken.
    network = "raise RuntimeError('operator torchvision::nms does not exist')\n"
    full.write("diffusers/models/unets/unet_2d_condition.py", network)
    told = full.doctor("--deep")
    red = {one["id"]: one["problem"]["id"] for one in told["findings"] if one["status"] == "error"}
    assert red == {"deep-import-peft": "bnb-setup-failed", "deep-training-step": "cwm-torchvision-cpp-ops"}
