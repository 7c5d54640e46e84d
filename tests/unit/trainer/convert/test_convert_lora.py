"""LoRA files between kohya's and diffusers' names, with diffusers' own loader as referee."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dreamboot_trainer.convert import infer, lora_to_diffusers, lora_to_kohya
from dreamboot_trainer.convert.families import FAMILIES
from dreamboot_trainer.convert.lora import is_lora
from dreamboot_trainer.convert.lora.names import layers
from dreamboot_trainer.problems import TrainerError
from support.tiny_families import assert_same, published

pytest.importorskip("peft")
UNET_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "conv1", "ff.net.0.proj", "ff.net.2"]
KIND = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}


def trained(folder, family, out, *, rank=4, alpha=4, dora=False, text=("q_proj", "out_proj", "fc1")):
    """A LoRA as diffusers' own training scripts save it: peft adapters with random weights."""
    from diffusers.training_utils import _collate_lora_metadata
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(0)
    pipeline = KIND[family].from_pretrained(folder)
    encoders = ("text_encoder", "text_encoder_2") if family == "sdxl" else ("text_encoder",)
    parts = {"unet": UNET_LAYERS} | {encoder: list(text) for encoder in encoders if text}
    weights, models = {}, {}
    for part, targets in parts.items():
        model = getattr(pipeline, part)
        model.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, use_dora=dora))
        state = get_peft_model_state_dict(model)
        weights[f"{part}_lora_layers"] = {name: torch.randn_like(tensor) * 0.1 for name, tensor in state.items()}
        models[part] = model
    KIND[family].save_lora_weights(out, **weights, **_collate_lora_metadata(models))
    return out / "pytorch_lora_weights.safetensors"


def drawn(folder, family, file):
    pipeline = KIND[family].from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    if file is not None:
        pipeline.load_lora_weights(str(file))
    generator = torch.Generator().manual_seed(0)
    return pipeline("a cat", num_inference_steps=2, generator=generator, output_type="pt", height=16, width=16).images


@pytest.mark.parametrize("alpha", [8])
def test_kohya_names_draw_the_same_image(models, family, tmp_path, alpha):
    """diffusers reads both files and must draw the same, also where the strength is not 1.

    UNet only: with transformers 5, diffusers 0.42 itself loses the text encoder layers of a kohya file (it renames them
    to to_q_lora, and then warns or fails); the next tests cover those.
    """
    mine = trained(models[family], family, tmp_path, alpha=alpha, text=())
    kohya = tmp_path / "kohya.safetensors"
    lora_to_kohya(mine, kohya, family=family, config_dir=models[family])
    images = {name: drawn(models[family], family, file) for name, file in (("off", None), ("a", mine), ("b", kohya))}
    assert not torch.allclose(images["off"], images["a"], atol=1e-3)
    assert torch.allclose(images["a"], images["b"], atol=1e-5)


@pytest.mark.parametrize(("rank", "alpha"), [(4, 4), (4, 1)])
def test_kohya_to_diffusers_draws_the_same_image(models, family, tmp_path, rank, alpha):
    kohya, back = tmp_path / "kohya.safetensors", tmp_path / "back.safetensors"
    mine = trained(models[family], family, tmp_path, rank=rank, alpha=alpha)
    lora_to_kohya(mine, kohya, family=family, config_dir=models[family])
    lora_to_diffusers(kohya, back, family=family, config_dir=models[family])
    first, second = (drawn(models[family], family, file) for file in (mine, back))
    assert torch.allclose(first, second, atol=1e-5)


def test_there_and_back_is_bit_exact(models, family, tmp_path):
    first, there, back = (tmp_path / f"{name}.safetensors" for name in ("first", "there", "back"))
    lora_to_kohya(trained(models[family], family, tmp_path, alpha=2), first, family=family, config_dir=models[family])
    lora_to_diffusers(first, there, family=family, config_dir=models[family])
    lora_to_kohya(there, back, family=family, config_dir=models[family])
    assert_same(load_file(first), load_file(back))


def test_layers_with_their_own_rank_and_strength_keep_them(models, tmp_path):
    kohya, there = tmp_path / "kohya.safetensors", tmp_path / "there.safetensors"
    lora_to_kohya(trained(models["sd1"], "sd1", tmp_path), kohya)
    content = load_file(kohya)
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    content[f"{name}.alpha"] = torch.tensor(1.5)
    content[f"{name}.lora_down.weight"] = content[f"{name}.lora_down.weight"][:2].clone()
    content[f"{name}.lora_up.weight"] = content[f"{name}.lora_up.weight"][:, :2].clone()
    save_file(content, kohya)
    lora_to_diffusers(kohya, there)
    pipeline = StableDiffusionPipeline.from_pretrained(models["sd1"])
    pipeline.load_lora_weights(str(there))
    query = pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q
    key = pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_k
    assert (query.r["default_0"], query.scaling["default_0"]) == (2, 0.75)
    assert (key.r["default_0"], key.scaling["default_0"]) == (4, 1.0)
    back = tmp_path / "back.safetensors"
    lora_to_kohya(there, back)
    assert_same(content, load_file(back))


def test_dora_magnitudes_have_the_shape_that_each_reader_wants(models, tmp_path):
    """peft: [out]; the web UI and ComfyUI: [out, 1], since they divide by a norm of that shape."""
    mine = trained(models["sd1"], "sd1", tmp_path, dora=True)
    kohya, back = tmp_path / "kohya.safetensors", tmp_path / "back.safetensors"
    lora_to_kohya(mine, kohya)
    lora_to_diffusers(kohya, back)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    assert load_file(kohya)[f"lora_unet_{name.replace('.', '_')}.dora_scale"].shape == (32, 1)
    assert load_file(back)[f"unet.{name}.lora_magnitude_vector"].shape == (32,)
    first, second = (drawn(models["sd1"], "sd1", file) for file in (mine, back))
    assert torch.allclose(first, second, atol=1e-5)


def test_names_of_every_age_are_read(tmp_path):
    """The same layers as diffusers 0.13, 0.20, today, and transformers 5 name them."""
    down, up = torch.randn(4, 320), torch.randn(320, 4)
    te_down, te_up = torch.randn(4, 768), torch.randn(768, 4)
    block = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    layer = "encoder.layers.0.self_attn"
    forms = {
        "processors": (f"{block}.processor.to_q_lora.X.weight", f"text_encoder.text_model.{layer}.to_q_lora.X.weight"),
        "inside": (f"{block}.to_q.lora.X.weight", f"text_encoder.text_model.{layer}.q_proj.lora_linear_layer.X.weight"),
        "peft": (f"{block}.to_q.lora_Y.weight", f"text_encoder.text_model.{layer}.q_proj.lora_Y.weight"),
        "transformers5": (f"{block}.to_q.lora_Y.weight", f"text_encoder.{layer}.q_proj.lora_Y.weight"),
    }
    results = []
    for age, (unet, text) in forms.items():
        content = {}
        for name, first, second in ((unet, down, up), (text, te_down, te_up)):
            content[name.replace("X", "down").replace("Y", "A")] = first
            content[name.replace("X", "up").replace("Y", "B")] = second
        save_file(content, tmp_path / f"{age}.safetensors")
        lora_to_kohya(tmp_path / f"{age}.safetensors", tmp_path / "out.safetensors", overwrite=True)
        results.append(load_file(tmp_path / "out.safetensors"))
    assert set(results[0]) >= {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha",
    }
    for result in results[1:]:
        assert_same(results[0], result)


@pytest.mark.parametrize(("name", "file"), [("sd1", "sd15"), ("sd2", "sd21"), ("sdxl", "sdxl")])
def test_flat_names_are_unambiguous_and_cover_the_published_model(name, file):
    found = layers(FAMILIES[name], infer.published(name))
    flat = [flat for layer in found for flat in (layer.kohya, *layer.also)]
    assert len(flat) == len(set(flat))
    prefix = "model.diffusion_model."
    original = {
        "lora_unet_" + key.removeprefix(prefix).removesuffix(".weight").replace(".", "_")
        for key, (_, shape) in published(file).items()
        if key.startswith(prefix) and key.endswith(".weight") and len(shape) > 1
    }
    assert original <= set(flat)


def test_sdxl_names_are_those_of_the_original_unet():
    by_module = {layer.diffusers: layer.kohya for layer in layers(FAMILIES["sdxl"], infer.published("sdxl"))}
    module = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    assert by_module[module] == "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    text = "text_encoder_2.text_model.encoder.layers.31.mlp.fc1"
    assert by_module[text] == "lora_te2_text_model_encoder_layers_31_mlp_fc1"


def test_text_encoder_names_are_kohyas():
    """The names that published SD 1.x LoRA files have (component list LoRA-v1-CLIP of arenasys' model toolkit)."""
    parts = [f"self_attn_{part}_proj" for part in ("q", "k", "v", "out")] + ["mlp_fc1", "mlp_fc2"]
    expected = {f"lora_te_text_model_encoder_layers_{i}_{part}" for i in range(12) for part in parts}
    found = {layer.kohya for layer in layers(FAMILIES["sd1"], infer.published("sd1"))}
    assert expected <= found


def test_the_result_says_what_it_was_made_for(tmp_path):
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    content = {f"{name}.lora_A.weight": torch.randn(8, 1024), f"{name}.lora_B.weight": torch.randn(1280, 8)}
    save_file(content, tmp_path / "a.safetensors")
    report = lora_to_kohya(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata()["ss_base_model_version"] == "sd_v2"
        assert file.metadata()["ss_network_dim"] == "8"
    assert report.family == "sd2"


def test_strength_is_read_from_diffusers_metadata(tmp_path):
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    content = {f"{name}.lora_A.weight": torch.randn(8, 1280), f"{name}.lora_B.weight": torch.randn(1280, 8)}
    metadata = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 3, "unet.alpha_pattern": {"attn1.to_q": 5}})}
    save_file(content, tmp_path / "a.safetensors", metadata)
    lora_to_kohya(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    (alpha,) = (tensor for key, tensor in load_file(tmp_path / "b.safetensors").items() if key.endswith(".alpha"))
    assert alpha.item() == 5.0


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["lora_unet_up_blocks_9_attentions_0_proj_in"], "convert-unknown-lora-layers"),
        (["lora_unet_mid_block_attentions_0_proj_in", "lora_unet_x.hada_w1_a"], "convert-unknown-lora-layers"),
    ],
)
def test_layers_without_a_place_are_a_problem(tmp_path, names, problem):
    """Leaving them out would give a weaker LoRA without a word."""
    content = {}
    for name in names:
        if "." in name:
            content[name] = torch.zeros(4, 4)
        else:
            content |= {f"{name}.lora_down.weight": torch.zeros(4, 8), f"{name}.lora_up.weight": torch.zeros(8, 4)}
    save_file(content, tmp_path / "a.safetensors")
    with pytest.raises(TrainerError) as caught:
        lora_to_diffusers(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert caught.value.problem.id == problem
    assert not (tmp_path / "b.safetensors").exists()


def test_a_checkpoint_is_no_lora(models, tmp_path):
    file = models["sd1"] / "unet" / "diffusion_pytorch_model.safetensors"
    assert is_lora(file) is None
    for turn in (lora_to_kohya, lora_to_diffusers):
        with pytest.raises(TrainerError) as caught:
            turn(file, tmp_path / "out.safetensors")
        assert caught.value.problem.id == "convert-not-a-lora"


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_a_folder_that_peft_itself_saved(models, tmp_path, part):
    """Names without the component, and the strength in adapter_config.json."""
    from peft import LoraConfig, get_peft_model

    from dreamboot_trainer.convert import convert

    pipeline = StableDiffusionPipeline.from_pretrained(models["sd1"])
    targets = {"unet": ["to_q"], "text_encoder": ["q_proj"]}[part]
    model = get_peft_model(getattr(pipeline, part), LoraConfig(r=4, lora_alpha=2, target_modules=targets))
    model.save_pretrained(tmp_path / "peft")
    convert(tmp_path / "peft", tmp_path / "kohya.safetensors")
    content = load_file(tmp_path / "kohya.safetensors")
    name = {
        "unet": "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q",
        "text_encoder": "lora_te_text_model_encoder_layers_1_self_attn_q_proj",
    }[part]
    saved = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    assert content[f"{name}.alpha"].item() == 2.0
    assert len(content) == len(saved) * 3 // 2
    assert any(torch.equal(content[f"{name}.lora_down.weight"], tensor) for tensor in saved.values())


def test_the_models_folder_decides_the_family(models, tmp_path):
    """A miniature's text width says nothing; SDXL's names differ from the others'."""
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    content = {f"{name}.lora_A.weight": torch.randn(4, 96), f"{name}.lora_B.weight": torch.randn(64, 4)}
    save_file(content, tmp_path / "a.safetensors")
    for family, flat in (("sd1", "mid_block_attentions_0"), ("sdxl", "middle_block_1")):
        out = tmp_path / f"{family}.safetensors"
        assert lora_to_kohya(tmp_path / "a.safetensors", out, config_dir=models[family]).family == family
        assert all(key.startswith(f"lora_unet_{flat}_transformer_blocks_0_attn2_to_k.") for key in load_file(out))
    with pytest.raises(TrainerError) as caught:
        lora_to_kohya(tmp_path / "a.safetensors", tmp_path / "b.safetensors", family="sd1", config_dir=models["sdxl"])
    assert caught.value.problem.id == "convert-wrong-family"
