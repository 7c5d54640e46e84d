"""Miniature models of every family, built by diffusers and transformers themselves; needs both."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TOKENS = 514
# Names, formats and shapes of published files.
PUBLISHED = Path(__file__).resolve().parents[1] / "unit" / "trainer" / "convert" / "published"


def tokenizer(pad="<|endoftext|>"):
    """CLIP's own byte alphabet without merges: 256 letters, 256 word ends, two specials."""
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters += [256 + i for i in range(256 - len(letters))]
    names = [chr(letter) for letter in letters]
    names += [name + "</w>" for name in names] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=[], model_max_length=16, pad_token=pad)


def text_config(width, act, layers=2, projection=32):
    return CLIPTextConfig(
        vocab_size=TOKENS,
        hidden_size=width,
        intermediate_size=width * 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=16,
        hidden_act=act,
        projection_dim=projection,
        bos_token_id=TOKENS - 2,
        eos_token_id=TOKENS - 1,
        pad_token_id=TOKENS - 1,
    )


def vae(scale=0.18215):
    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        layers_per_block=1,
        scaling_factor=scale,
        sample_size=16,
    )


def unet(**more):
    common = {"sample_size": 8, "layers_per_block": 1, "norm_num_groups": 8}
    four = {
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }
    return UNet2DConditionModel(**{**common, **four, **more})


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def sd1():
    return StableDiffusionPipeline(
        unet=unet(cross_attention_dim=32, attention_head_dim=8),
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(32, "quick_gelu")),
        tokenizer=tokenizer(),
        scheduler=PNDMScheduler(**BETAS, skip_prk_steps=True),
        **NO_CHECKER,
    )


def sd2():
    return StableDiffusionPipeline(
        unet=unet(cross_attention_dim=64, attention_head_dim=(1, 2, 2, 2), use_linear_projection=True),
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(64, "gelu", layers=3)),
        tokenizer=tokenizer("!"),
        scheduler=DDIMScheduler(**BETAS, prediction_type="v_prediction", clip_sample=False),
        **NO_CHECKER,
    )


def sdxl():
    return StableDiffusionXLPipeline(
        unet=unet(
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 1, 2),
            attention_head_dim=(1, 2, 2),
            cross_attention_dim=96,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 48,
        ),
        vae=vae(0.13025),
        text_encoder=CLIPTextModel(text_config(32, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(text_config(64, "gelu", projection=48)),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer("!"),
        scheduler=EulerDiscreteScheduler(**BETAS),
        force_zeros_for_empty_prompt=True,
    )


def published(name):
    """{tensor name: (format, shape)} of a published file."""
    lines = (PUBLISHED / f"{name}.tsv").read_text().splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {name: (dtype, tuple(int(n) for n in shape.split(",") if n)) for name, dtype, shape in rows}


def tensors(folder):
    """{component/name: tensor} of a diffusers folder, with the text encoder's prefix made alike."""
    from safetensors.torch import load_file

    found = {}
    for file in sorted(Path(folder).glob("*/*.safetensors")):
        for name, tensor in load_file(file).items():
            bare = name.removeprefix("text_model.") if file.parent.name.startswith("text_encoder") else name
            found[f"{file.parent.name}/{bare}"] = tensor
    return found


def assert_same(left, right):
    """Names, shapes, formats and bits alike."""
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert tensor.dtype == right[name].dtype, name
        assert torch.equal(tensor, right[name]), name


def config(folder, part):
    return json.loads((Path(folder) / part / "config.json").read_text())
