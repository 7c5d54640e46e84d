"""FLUX.1 (dev and schnell): a transformer of 12 billion weights, CLIP's summary and T5's words, 16-channel latents."""

from __future__ import annotations

from dreamboot_trainer.families import Component, Family, Width
from dreamboot_trainer.families.sd3 import T5_TOKENIZERS
from dreamboot_trainer.model_folder import ModelFolder


def _recognises(folder: ModelFolder) -> bool:
    return folder.class_name == "FluxPipeline"


FAMILY = Family(
    name="flux",
    title="FLUX.1",
    package=__name__,
    components=(
        Component(name="transformer", classes=("FluxTransformer2DModel",)),
        Component(name="vae", classes=("AutoencoderKL",)),
        Component(name="text_encoder", classes=("CLIPTextModel",)),
        Component(name="text_encoder_2", classes=("T5EncoderModel",)),
        Component(name="tokenizer", classes=("CLIPTokenizer", "CLIPTokenizerFast"), weights=False),
        Component(name="tokenizer_2", classes=T5_TOKENIZERS, weights=False),
        Component(name="scheduler", classes=("FlowMatchEulerDiscreteScheduler",), weights=False),
    ),
    recognises=_recognises,
    resolution=1024,
    multiple=16,
    denoiser="transformer",
    text_encoders=("text_encoder", "text_encoder_2"),
    never_trained=("text_encoder_2",),
    widths=(
        Width(key="pooled_projection_dim", made=(("text_encoder", "hidden_size"),)),
        Width(key="joint_attention_dim", made=(("text_encoder_2", "d_model"),)),
    ),
    # Those of diffusers' examples/dreambooth/train_dreambooth_lora_flux.py.
    lora_targets=(
        "attn.to_k", "attn.to_q", "attn.to_v", "attn.to_out.0",
        "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj", "attn.to_add_out",
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
    ),
    packing=4,
    methods=("lora",),
    attentions=("sdpa",),
    flow=True,
    guidance=3.5,
    guided_twice=False,
    why_not_full="12 billion weights, with gradients and AdamW's states, are 190 GB",
)  # fmt: skip
