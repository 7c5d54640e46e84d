"""The mapping follows from the config, whatever the depth, width and attention of the model."""

from __future__ import annotations

import pytest
import torch

hypothesis = pytest.importorskip("hypothesis")

from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from dreamboot_trainer.convert import infer, openclip_text, unet, vae  # noqa: E402
from dreamboot_trainer.convert.families.parts import penultimate_extras  # noqa: E402
from dreamboot_trainer.problems import TrainerError  # noqa: E402

SETTINGS = settings(max_examples=25, deadline=None)
DEPTHS = st.integers(1, 3)


@st.composite
def unets(draw):
    levels = draw(st.integers(1, 4))
    attends = draw(st.lists(st.booleans(), min_size=levels, max_size=levels))
    depths = [draw(DEPTHS) if attend else 1 for attend in attends[:-1]] + [draw(DEPTHS)]
    config = {
        "in_channels": draw(st.sampled_from([4, 8, 9])),
        "out_channels": draw(st.sampled_from([4, 8])),
        "block_out_channels": draw(st.lists(st.sampled_from([8, 16, 24]), min_size=levels, max_size=levels)),
        "layers_per_block": draw(st.integers(1, 3)),
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "cross_attention_dim": draw(st.sampled_from([12, 20])),
        "attention_head_dim": 4,
        "norm_num_groups": 8,
        "use_linear_projection": draw(st.booleans()),
        "transformer_layers_per_block": depths,
    }
    if draw(st.booleans()):
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 60,
        }
    return config


@st.composite
def vaes(draw):
    widths = draw(st.lists(st.sampled_from([8, 16, 24]), min_size=1, max_size=4))
    return {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": draw(st.sampled_from([4, 16])),
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": draw(st.integers(1, 3)),
        "norm_num_groups": 8,
        "mid_block_add_attention": draw(st.booleans()),
        "use_quant_conv": (quant := draw(st.booleans())),
        "use_post_quant_conv": quant,
    }


def diffusers_side(pairs):
    return {name: pair.shape for pair in pairs for name in pair.diffusers}


def original_side(pairs):
    names = [pair.original for pair in pairs]
    assert len(names) == len(set(names))
    return {pair.original: pair.original_shape for pair in pairs}


def names_and_shapes(kind, config):
    with torch.device("meta"):
        model = kind.from_config(config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@SETTINGS
@given(unets())
def test_every_unet(config):
    pairs = unet.pairs(config)
    assert diffusers_side(pairs) == names_and_shapes(UNet2DConditionModel, config)
    found = infer.unet(original_side(pairs), "sdxl" if "addition_embed_type" in config else "sd1")
    assert unet.pairs(found) == pairs


@SETTINGS
@given(vaes())
def test_every_autoencoder(config):
    pairs = vae.pairs(config)
    assert diffusers_side(pairs) == names_and_shapes(AutoencoderKL, config)
    assert vae.pairs(infer.vae(original_side(pairs), "sd1")) == pairs


@SETTINGS
@given(st.integers(2, 6), st.sampled_from([8, 32]), st.integers(10, 20))
def test_every_openclip_encoder(layers, width, vocabulary):
    config = {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "vocab_size": vocabulary,
    }
    shapes = original_side(openclip_text.pairs(config, projection=False))
    prefix = "cond_stage_model.model."
    shapes |= {extra.original.removeprefix(prefix): extra.shape for extra in penultimate_extras(config)}
    found = infer.openclip_text(shapes, "sd2", "text_encoder", unused_blocks=1)
    assert config.items() <= found.items()


@pytest.mark.parametrize(
    "change",
    [
        {"mid_block_type": None},
        {"mid_block_type": "UNetMidBlock2D"},
        {"only_cross_attention": [True, False]},
        {"class_embed_type": "projection"},
        {"time_cond_proj_dim": 256},
        {"addition_embed_type": "image"},
        {"down_block_types": ["AttnDownBlock2D"] * 4},
        {"up_block_types": ["UpBlock2D"]},
        {"layers_per_block": [2, 2]},
        {"block_out_channels": "wide"},
        {"in_channels": None},
        {"use_linear_projection": "yes"},
    ],
)
def test_a_config_with_other_parts_is_refused(change):
    """A name that the original does not have must never be guessed."""
    with pytest.raises(TrainerError) as caught:
        unet.pairs({**infer.published("sd1")["unet"], **change})
    assert caught.value.problem.id == "convert-unsupported-config"
    assert next(iter(change)) in caught.value.problem.what
