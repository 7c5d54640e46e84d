"""Miniature SD 3 and FLUX.1 folders with random weights, for tests: built in about a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.tiny_sd import write_tokenizer

WIDTH = 64
"""Of the tiny T5's states."""


def build_sd3(folder: Path, *, seed: int = 0, t5: bool = True) -> Path:
    """A complete SD 3-shaped diffusers folder, or one that leaves T5 out."""
    import torch
    from diffusers import SD3Transformer2DModel
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(seed)
    vocabulary = write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2")
    CLIPTextModelWithProjection(_clip(vocabulary, 32, 16)).save_pretrained(folder / "text_encoder")
    CLIPTextModelWithProjection(_clip(vocabulary, 24, 24)).save_pretrained(folder / "text_encoder_2")
    _vae().save_pretrained(folder / "vae")
    SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        caption_projection_dim=64,
        pooled_projection_dim=16 + 24,
        out_channels=4,
        pos_embed_max_size=16,
    ).save_pretrained(folder / "transformer")
    _write(
        folder / "scheduler" / "scheduler_config.json",
        {"_class_name": _FLOW, "num_train_timesteps": 1000, "shift": 3.0},
    )
    index = {
        "_class_name": "StableDiffusion3Pipeline",
        "_diffusers_version": "0.40.0",
        "scheduler": ["diffusers", _FLOW],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": ["transformers", "T5EncoderModel"] if t5 else [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"] if t5 else [None, None],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if t5:
        _t5(folder, "_3")
    _write(folder / "model_index.json", index)
    return folder


def build_flux(folder: Path, *, seed: int = 0, guidance: bool = True) -> Path:
    """A complete FLUX.1-shaped diffusers folder: dev's, which is told its guidance, or schnell's."""
    import torch
    from diffusers import FluxTransformer2DModel
    from transformers import CLIPTextModel

    torch.manual_seed(seed)
    vocabulary = write_tokenizer(folder / "tokenizer")
    CLIPTextModel(_clip(vocabulary, 32, 32)).save_pretrained(folder / "text_encoder")
    _t5(folder, "_2")
    _vae().save_pretrained(folder / "vae")
    FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=32,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    ).save_pretrained(folder / "transformer")
    scheduler = {
        "_class_name": _FLOW,
        "num_train_timesteps": 1000,
        "shift": 3.0 if guidance else 1.0,
        "use_dynamic_shifting": guidance,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    }
    _write(folder / "scheduler" / "scheduler_config.json", scheduler)
    index = {
        "_class_name": "FluxPipeline",
        "_diffusers_version": "0.40.0",
        "scheduler": ["diffusers", _FLOW],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    _write(folder / "model_index.json", index)
    return folder


_FLOW = "FlowMatchEulerDiscreteScheduler"


def _clip(vocabulary: int, width: int, projection: int):
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=projection,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
    )


def _vae():
    """Like the published ones it has 8 pixels a side per latent and no layers around the latents."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _t5(folder: Path, ending: str) -> None:
    """An encoder and a tokenizer of single characters."""
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(chr(code), -3.0) for code in range(33, 127)]
    T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512).save_pretrained(folder / f"tokenizer{ending}")
    config = T5Config(
        vocab_size=len(pieces),
        d_model=WIDTH,
        d_ff=128,
        d_kv=16,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    T5EncoderModel(config).save_pretrained(folder / f"text_encoder{ending}")


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))


def loaded(folder: Path, **options: Any) -> Any:
    """The folder's pipeline as training with adapters loads it."""
    import torch

    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    model = read_folder(folder)
    return pipeline.load(family_of(model), model, None, torch.device("cpu"), adapters=True, **options)
