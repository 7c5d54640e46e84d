"""Stable Diffusion 3.x: a transformer of pictures and words together, three text encoders, 16-channel latents."""

from __future__ import annotations

from dreamboot_trainer.families import Component, Family, Width
from dreamboot_trainer.model_folder import ModelFolder

_CLIP = ("CLIPTokenizer", "CLIPTokenizerFast")
T5_TOKENIZERS = ("T5Tokenizer", "T5TokenizerFast")


def _recognises(folder: ModelFolder) -> bool:
    return folder.class_name.startswith("StableDiffusion3")


FAMILY = Family(
    name="sd3",
    title="Stable Diffusion 3",
    package=__name__,
    components=(
        Component(name="transformer", classes=("SD3Transformer2DModel",)),
        Component(name="vae", classes=("AutoencoderKL",)),
        Component(name="text_encoder", classes=("CLIPTextModelWithProjection",)),
        Component(name="text_encoder_2", classes=("CLIPTextModelWithProjection",)),
        Component(name="text_encoder_3", classes=("T5EncoderModel",), optional=True),
        Component(name="tokenizer", classes=_CLIP, weights=False),
        Component(name="tokenizer_2", classes=_CLIP, weights=False),
        Component(name="tokenizer_3", classes=T5_TOKENIZERS, weights=False, optional=True),
        Component(name="scheduler", classes=("FlowMatchEulerDiscreteScheduler",), weights=False),
    ),
    recognises=_recognises,
    resolution=1024,
    multiple=16,
    denoiser="transformer",
    text_encoders=("text_encoder", "text_encoder_2", "text_encoder_3"),
    never_trained=("text_encoder_3",),
    widths=(
        Width(
            key="pooled_projection_dim",
            made=(("text_encoder", "projection_dim"), ("text_encoder_2", "projection_dim")),
        ),
        Width(key="joint_attention_dim", made=(("text_encoder_3", "d_model"),)),
    ),
    positions="pos_embed_max_size",
    # Those of diffusers' examples/dreambooth/train_dreambooth_lora_sd3.py.
    lora_targets=(
        "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj", "attn.to_add_out",
        "attn.to_k", "attn.to_out.0", "attn.to_q", "attn.to_v",
    ),
    methods=("lora",),
    attentions=("sdpa",),
    flow=True,
    guidance=7.0,
    why_not_full="2 to 8 billion weights, with gradients and AdamW's states, are 32 to 130 GB",
)  # fmt: skip
