"""For the published configs, the names, shapes and formats are those of the published files."""

from __future__ import annotations

import json
from math import prod

import pytest
import torch

from dreamboot_trainer.convert import infer, schedule
from dreamboot_trainer.convert.families import FAMILIES
from support.tiny_families import published

FILES = {"sd1": "sd15", "sd2": "sd21", "sdxl": "sdxl"}
# Bookkeeping of averaged weights, which stands in the published files without such weights; not written.
EMA_REST = {"model_ema.decay", "model_ema.num_updates"}


@pytest.fixture(params=FILES)
def case(request):
    return FAMILIES[request.param], published(FILES[request.param])


def bare(family, part, names):
    return {name[len(part.prefix) :]: shape for name, shape in names.items() if name.startswith(part.prefix)}


@pytest.mark.parametrize(("name", "count", "size"), [("sd15", 1145, 4265146304), ("sd21", 1242, 5214604494)])
def test_the_data_file_makes_a_file_of_the_published_size(name, count, size):
    """Any wrong name, shape or format would change the header's length or the data's."""
    sizes, offset, header = {"F32": 4, "I32": 4, "I64": 8}, 0, {"__metadata__": {"format": "pt"}}
    for key, (dtype, shape) in sorted(published(name).items()):
        end = offset + sizes[dtype] * prod(shape)
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    assert len(header) - 1 == count
    assert 8 + len(json.dumps(header, separators=(",", ":"))) + offset == size


def test_names_and_shapes_are_the_published_ones(case):
    family, expected = case
    configs = infer.published(family.name)
    found = {}
    for part in family.components:
        config = configs[part.folder]
        found |= {pair.original: pair.original_shape for pair in part.prefixed_pairs(config)}
        found |= {extra.original: extra.shape for extra in part.extras(config)}
    if family.has_schedule:
        found |= dict.fromkeys(schedule.buffers(configs["scheduler"]), (1000,))
    assert found == {name: shape for name, (_, shape) in expected.items() if name not in EMA_REST}


def test_integers_and_schedule_have_the_published_formats(case):
    family, expected = case
    configs = infer.published(family.name)
    special = {e.original: e.dtype for p in family.components for e in p.extras(configs[p.folder]) if e.dtype}
    special |= dict.fromkeys(schedule.NAMES if family.has_schedule else (), "F32")
    assert special.items() <= {name: dtype for name, (dtype, _) in expected.items()}.items()


def test_the_config_is_recovered_from_the_published_shapes(case):
    family, expected = case
    shapes = {name: shape for name, (_, shape) in expected.items()}
    configs = infer.published(family.name)
    assert infer.unet(bare(family, family.component("unet"), shapes), family.name) == configs["unet"]
    assert infer.vae(bare(family, family.component("vae"), shapes), family.name) == configs["vae"]
    for part in family.components[2:]:
        own = bare(family, part, shapes)
        if "ln_final.weight" in own:
            found = infer.openclip_text(own, family.name, part.folder, unused_blocks=int(family.name == "sd2"))
        else:
            found = infer.clip_text(own, family.name)
        assert found == configs[part.folder]


def test_diffusers_builds_these_very_tensors_from_the_published_configs(case):
    """The other side of the mapping, on the meta device: no weights, only names and shapes."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    family, _ = case
    configs = infer.published(family.name)
    with torch.device("meta"):
        models = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
        }
    for folder, model in models.items():
        pairs = family.component(folder).pairs(configs[folder])
        ours = {name: pair.shape for pair in pairs for name in pair.diffusers}
        assert ours == {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def test_transformers_builds_these_very_tensors_from_the_published_configs(case):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    family, _ = case
    configs = infer.published(family.name)
    for part in family.components[2:]:
        kind = CLIPTextModelWithProjection if part.folder == "text_encoder_2" else CLIPTextModel
        with torch.device("meta"):
            model = kind(CLIPTextConfig(**configs[part.folder]))
        theirs = {part.canonical_diffusers(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        ours = {name: pair.shape for pair in part.pairs(configs[part.folder]) for name in pair.diffusers}
        assert ours == theirs


def test_schedule_buffers_are_register_schedules():
    """Recomputed by the formulas of DDPM.register_schedule with torch and numpy, as LatentDiffusion does."""
    import numpy as np

    betas = (torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).numpy()
    alphas = 1.0 - betas
    products = np.cumprod(alphas, axis=0)
    before = np.append(1.0, products[:-1])
    variance = betas * (1.0 - before) / (1.0 - products)
    expected = {
        "betas": betas,
        "alphas_cumprod": products,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(products),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1.0 - products),
        "log_one_minus_alphas_cumprod": np.log(1.0 - products),
        "sqrt_recip_alphas_cumprod": np.sqrt(1.0 / products),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1.0 / products - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1.0 - products),
        "posterior_mean_coef2": (1.0 - before) * np.sqrt(alphas) / (1.0 - products),
    }
    found = schedule.buffers(infer.published("sd1")["scheduler"])
    assert found.keys() == expected.keys()
    for name, content in found.items():
        assert np.array_equal(np.frombuffer(content, "<f4"), expected[name].astype("<f4")), name


@pytest.mark.parametrize(
    "change",
    [
        {"beta_schedule": "squaredcos_cap_v2"},
        {"trained_betas": [0.1]},
        {"rescale_betas_zero_snr": True},
        {"beta_end": None},
    ],
)
def test_schedules_that_the_original_does_not_know_are_left_out(change):
    assert schedule.buffers({**infer.published("sd1")["scheduler"], **change}) == {}
