"""LoRA files of SD 3.x and FLUX.1 between diffusers' names and the joined layers of the original models."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dreamboot_trainer.convert import lora_to_diffusers, lora_to_kohya
from dreamboot_trainer.problems import TrainerError

WIDTH = 3072
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
_UP, _DOWN = (1, 4), (4, 1)
DOUBLE = {f"attn.{name}": (1, 1) for name in _ATTENTION}
DOUBLE |= {
    f"{name}.net.{part}": size for name in ("ff", "ff_context") for part, size in (("0.proj", _UP), ("2", _DOWN))
}
SINGLE = {"attn.to_q": (1, 1), "attn.to_k": (1, 1), "attn.to_v": (1, 1)}


def adapters(blocks, rank=2, width=WIDTH, dtype=torch.float32):
    """A LoRA in diffusers' names; `blocks`: name of a block -> layer -> (input, output) in widths."""
    torch.manual_seed(0)
    found = {}
    for block, layers in blocks.items():
        for layer, (inside, outside) in layers.items():
            name = f"transformer.{block}.0.{layer}"
            found[f"{name}.lora_A.weight"] = torch.randn(rank, inside * width).to(dtype)
            found[f"{name}.lora_B.weight"] = torch.randn(outside * width, rank).to(dtype)
    return found


FLUX = {"transformer_blocks": DOUBLE, "single_transformer_blocks": SINGLE}
SD3 = {"transformer_blocks": {name: size for name, size in DOUBLE.items() if name.startswith("attn.")}}


def written(tmp_path, tensors):
    path = tmp_path / "pytorch_lora_weights.safetensors"
    save_file(tensors, path)
    return path


def test_diffusers_own_reader_finds_the_same_layers_of_flux(tmp_path):
    """Its reader of kohya's files knows the real widths only, so the layers here are of the real model's size."""
    from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers

    before = adapters(FLUX)
    lora_to_kohya(written(tmp_path, before), tmp_path / "kohya.safetensors")
    found = _convert_kohya_flux_lora_to_diffusers(load_file(tmp_path / "kohya.safetensors"))
    for name in sorted(name.removesuffix(".lora_A.weight") for name in before if name.endswith("A.weight")):
        probe = torch.randn(before[f"{name}.lora_A.weight"].shape[1])
        ours, theirs = (t[f"{name}.lora_B.weight"] @ (t[f"{name}.lora_A.weight"] @ probe) for t in (before, found))
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3), name
    spare = {
        name
        for name in found
        if name.removeprefix("transformer.") not in {n.removeprefix("transformer.") for n in before}
    }
    assert all("proj_mlp" in name for name in spare)
    assert not any(found[name].any() for name in spare if "lora_B" in name)


def test_names_shapes_and_strengths_are_those_of_kohya(tmp_path):
    """Shapes as listed in kohya-ss/sd-scripts networks/convert_flux_lora.py, with three and four times the rank."""
    lora_to_kohya(written(tmp_path, adapters(FLUX)), tmp_path / "kohya.safetensors")
    found = load_file(tmp_path / "kohya.safetensors")
    for layer, rank, inside, outside in (
        ("double_blocks_0_img_attn_qkv", 6, 3072, 9216), ("double_blocks_0_txt_attn_proj", 2, 3072, 3072),
        ("double_blocks_0_img_mlp_0", 2, 3072, 12288), ("double_blocks_0_txt_mlp_2", 2, 12288, 3072),
        ("single_blocks_0_linear1", 8, 3072, 21504),
    ):  # fmt: skip
        assert found[f"lora_unet_{layer}.lora_down.weight"].shape == (rank, inside)
        assert found[f"lora_unet_{layer}.lora_up.weight"].shape == (outside, rank)
        assert found[f"lora_unet_{layer}.alpha"] == rank
    with safe_open(tmp_path / "kohya.safetensors", framework="pt") as file:
        assert file.metadata()["ss_network_module"] == "networks.lora_flux"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("blocks", "mark"), [(FLUX, "double_blocks"), (SD3, "joint_blocks")])
def test_the_way_back_is_bit_exact(tmp_path, blocks, mark, dtype):
    before = adapters(blocks, width=16, dtype=dtype)
    lora_to_kohya(written(tmp_path, before), tmp_path / "kohya.safetensors")
    assert all(mark in name or "single_blocks" in name for name in load_file(tmp_path / "kohya.safetensors"))
    lora_to_diffusers(tmp_path / "kohya.safetensors", tmp_path / "back.safetensors")
    back = load_file(tmp_path / "back.safetensors")
    assert back.keys() == before.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in before.items())


def test_a_joined_layer_that_was_trained_as_one_is_taken_apart(tmp_path):
    """kohya's own trainer gives query, key and value one down matrix; alpha is half of the rank here."""
    torch.manual_seed(1)
    down, up = torch.randn(4, 16), torch.randn(48, 4)
    layer = "lora_unet_double_blocks_3_img_attn_qkv"
    path = tmp_path / "kohya.safetensors"
    save_file(
        {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up, f"{layer}.alpha": torch.tensor(2.0)}, path
    )
    lora_to_diffusers(path, tmp_path / "back.safetensors")
    back = load_file(tmp_path / "back.safetensors")
    for index, name in enumerate(("to_q", "to_k", "to_v")):
        block = f"transformer.transformer_blocks.3.attn.{name}"
        assert torch.equal(back[f"{block}.lora_A.weight"], down)
        assert torch.equal(back[f"{block}.lora_B.weight"], up[16 * index : 16 * (index + 1)])
    with safe_open(tmp_path / "back.safetensors", framework="pt") as file:
        assert '"transformer.lora_alpha": 2.0' in file.metadata()["lora_adapter_metadata"]


def test_what_cannot_be_joined_is_said(tmp_path):
    tensors = adapters(SD3, width=16)
    tensors["transformer.transformer_blocks.0.attn.to_k.lora_A.weight"] = torch.randn(3, 16)
    tensors["transformer.transformer_blocks.0.attn.to_k.lora_B.weight"] = torch.randn(16, 3)
    with pytest.raises(TrainerError) as caught:
        lora_to_kohya(written(tmp_path, tensors), tmp_path / "kohya.safetensors")
    assert caught.value.problem.id == "convert-lora-not-joined"
    strange = {name.replace("attn.to_q", "attn.to_x"): tensor for name, tensor in adapters(SD3, width=16).items()}
    with pytest.raises(TrainerError) as caught:
        lora_to_kohya(written(tmp_path, strange), tmp_path / "kohya.safetensors")
    assert caught.value.problem.id == "convert-unknown-lora-layers"


def test_another_family_than_the_wished_one_is_refused(tmp_path):
    with pytest.raises(TrainerError) as caught:
        lora_to_kohya(written(tmp_path, adapters(SD3, width=16)), tmp_path / "kohya.safetensors", family="sdxl")
    assert caught.value.problem.id == "convert-wrong-family"
