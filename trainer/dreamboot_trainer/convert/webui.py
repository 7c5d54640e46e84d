"""What the web UI and ComfyUI need beside the tensors: SD 2.x's .yaml, and the v-prediction marks of SDXL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamboot_trainer.convert.planned import Planned

Configs = Mapping[str, Mapping[str, Any]]


def config_text(family: str, configs: Configs, scheduler: Mapping[str, Any]) -> str:
    """The .yaml to put next to an SD 2.x file; empty for families that need none.

    Without it the web UI runs the UNet once and guesses from the output whether the model predicts v or noise; a wrong
    guess gives bad images and no message (AUTOMATIC1111 issue 5011), and older versions take every file for SD 1.x and
    stop at a size mismatch (issue 5070). Written as JSON, which is YAML too. The keys are those that
    ldm.models.diffusion.ddpm.LatentDiffusion of Stability-AI/stablediffusion takes (configs/stable-diffusion/).
    """
    if family != "sd2":
        return ""
    import json

    return json.dumps({"model": _latent_diffusion(configs, scheduler)}, indent=2) + "\n"


def marker_tensors(family: str, scheduler: Mapping[str, Any]) -> list[Planned]:
    """Empty tensors by whose names ComfyUI and the web UI know an SDXL model with v-prediction or zero terminal SNR.

    Source: ComfyUI comfy/supported_models.py, class SDXL (v_pred, ztsnr).
    """
    if family != "sdxl" or scheduler.get("prediction_type") != "v_prediction":
        return []
    names = ("v_pred", "ztsnr") if scheduler.get("rescale_betas_zero_snr") else ("v_pred",)
    return [Planned(name, "F32", (0,)) for name in names]


def _latent_diffusion(configs: Configs, scheduler: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
        "params": {
            "parameterization": "v" if scheduler.get("prediction_type") == "v_prediction" else "eps",
            "linear_start": scheduler.get("beta_start", 0.00085),
            "linear_end": scheduler.get("beta_end", 0.012),
            "timesteps": scheduler.get("num_train_timesteps", 1000),
            "num_timesteps_cond": 1,
            "first_stage_key": "jpg",
            "cond_stage_key": "txt",
            "image_size": configs["unet"].get("sample_size", 64),
            "channels": configs["unet"]["in_channels"],
            "cond_stage_trainable": False,
            "conditioning_key": "crossattn",
            "scale_factor": configs["vae"].get("scaling_factor", 0.18215),
            "use_ema": False,
            "unet_config": {"target": _MODULES + "openaimodel.UNetModel", "params": _unet(configs["unet"])},
            "first_stage_config": {"target": "ldm.models.autoencoder.AutoencoderKL", "params": _vae(configs["vae"])},
            "cond_stage_config": {
                "target": "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder",
                "params": {"freeze": True, "layer": "penultimate"},
            },
        },
    }


_MODULES = "ldm.modules.diffusionmodules."


def _unet(config: Mapping[str, Any]) -> dict[str, Any]:
    widths, heads = config["block_out_channels"], config.get("attention_head_dim", 8)
    first = heads[0] if isinstance(heads, list) else heads
    attends = [i for i, kind in enumerate(config["down_block_types"]) if kind.startswith("CrossAttn")]
    return {
        "use_checkpoint": True,
        "image_size": 32,
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "model_channels": widths[0],
        "attention_resolutions": [2**i for i in reversed(attends)],
        "num_res_blocks": config.get("layers_per_block", 2),
        "channel_mult": [width // widths[0] for width in widths],
        "num_head_channels": widths[0] // first,  # attention_head_dim counts the heads, in spite of its name
        "use_spatial_transformer": True,
        "use_linear_in_transformer": bool(config.get("use_linear_projection", False)),
        "transformer_depth": config.get("transformer_layers_per_block", 1),
        "context_dim": config["cross_attention_dim"],
        "legacy": False,
    }


def _vae(config: Mapping[str, Any]) -> dict[str, Any]:
    widths = config["block_out_channels"]
    return {
        "embed_dim": config.get("latent_channels", 4),
        "monitor": "val/rec_loss",
        "ddconfig": {
            "double_z": True,
            "z_channels": config.get("latent_channels", 4),
            "resolution": 256,
            "in_channels": config.get("in_channels", 3),
            "out_ch": config.get("out_channels", 3),
            "ch": widths[0],
            "ch_mult": [width // widths[0] for width in widths],
            "num_res_blocks": config.get("layers_per_block", 2),
            "attn_resolutions": [],
            "dropout": 0.0,
        },
        "lossconfig": {"target": "torch.nn.Identity"},
    }
