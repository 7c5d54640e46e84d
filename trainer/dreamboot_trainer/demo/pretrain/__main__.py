"""Make the demo model again: `python -m dreamboot_trainer.demo.pretrain STAGE --work FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dreamboot_trainer.demo import MODEL_DIR, judge
from dreamboot_trainer.demo.pretrain import data, export, text, text_to_image, tokenizer, vae
from dreamboot_trainer.demo.pretrain import judge as judge_training

VIEWS_EACH = 16


def main(arguments: list[str] | None = None) -> int:
    """Run one stage, or all of them in order."""
    parser = argparse.ArgumentParser(prog="python -m dreamboot_trainer.demo.pretrain", description=__doc__)
    stages = {
        "pictures": pictures,
        "unpack": unpack,
        "vae": train_vae,
        "latents": latents,
        "text": train_text,
        "text-to-image": train_text_to_image,
        "judge": train_judge,
        "export": export_model,
    }
    parser.add_argument("stage", choices=[*stages, "all"])
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures, checkpoints and curves")
    parser.add_argument("--noto", type=Path, help="the unpacked npm package @iconify-json/noto (stage: pictures)")
    parser.add_argument("--merges", type=Path, help="bpe_simple_vocab_16e6.txt.gz of the open-clip-torch wheel")
    parser.add_argument("--minutes", type=float, help="wall-clock minutes of a training stage")
    parser.add_argument("--keep-latents", action="store_true", help="go on with the VAE while latents.pt stays valid")
    parser.add_argument("--out", type=Path, default=MODEL_DIR, help="the model folder (stages: export, unpack)")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    every = [name for name in stages if name != "unpack"]
    for stage in every if options.stage == "all" else [options.stage]:
        sys.stdout.write(f"{stage} …\n")
        sys.stdout.flush()
        stages[stage](options)
    return 0


def pictures(options: argparse.Namespace) -> None:
    """Draw the icons and their views: pictures.npy, views.npy."""
    import numpy as np

    chosen = data.things()
    drawn = data.render(_needed(options.noto, "--noto"), chosen)
    np.save(options.work / "pictures.npy", drawn)
    np.save(options.work / "views.npy", data.views(drawn, chosen, VIEWS_EACH, seed=0))


def unpack(options: argparse.Namespace) -> None:
    """Start from the weights of the model folder: vae.pt, text_encoder.pt, text_to_image.pt."""
    export.read(options.out, options.work)


def train_vae(options: argparse.Namespace) -> None:
    """Train the autoencoder: vae.pt, vae.csv."""
    settings = vae.Settings(minutes=options.minutes or 25.0)
    kept = _latents(options)[0] if options.keep_latents else None
    vae.train(_views(options), options.work, settings, kept)


def latents(options: argparse.Namespace) -> None:
    """Encode every view: latents.pt."""
    import torch

    torch.save(vae.encode(_vae(options), _views(options)), options.work / "latents.pt")


def train_text(options: argparse.Namespace) -> None:
    """Teach the text encoder to name things: text_encoder.pt, text_encoder.csv."""
    right = text.train(text_to_image.build_text_encoder(), _words(options), options.work, options.minutes or 4.0)
    sys.stdout.write(f"text encoder: {right:.1%} of the last captions named rightly\n")


def train_text_to_image(options: argparse.Namespace) -> None:
    """Train the UNet: text_to_image.pt, text_to_image.csv."""
    import torch

    codes, factor = _latents(options)
    encoder = text_to_image.build_text_encoder()
    encoder.load_state_dict(torch.load(options.work / "text_encoder.pt", weights_only=True))
    states = text_to_image.States(encoder, _words(options))
    settings = text_to_image.Settings(minutes=options.minutes or 45.0)
    text_to_image.train(codes * factor, states, options.work, settings)


def train_judge(options: argparse.Namespace) -> None:
    """Train the judge: judge.safetensors."""
    right = judge_training.train(_views(options), options.work, options.minutes or 14.0)
    sys.stdout.write(f"judge: {right:.1%} of the views kept aside named rightly\n")


def export_model(options: argparse.Namespace) -> None:
    """Write the model folder, and the judge's weights beside its code."""
    import shutil

    import torch

    unet, encoder = text_to_image.build_unet(), text_to_image.build_text_encoder()
    unet.load_state_dict(torch.load(options.work / "text_to_image.pt", weights_only=True)["average"])
    encoder.load_state_dict(torch.load(options.work / "text_encoder.pt", weights_only=True))
    parts = export.Parts(_vae(options), _latents(options)[1], unet, encoder)
    export.write(options.out, parts, _needed(options.merges, "--merges"))
    if (options.work / "judge.safetensors").exists():
        shutil.copyfile(options.work / "judge.safetensors", judge.WEIGHTS)


def _views(options: argparse.Namespace) -> Any:
    import numpy as np

    return np.load(options.work / "views.npy", mmap_mode="r")


def _vae(options: argparse.Namespace) -> Any:
    import torch

    model = vae.build()
    model.load_state_dict(torch.load(options.work / "vae.pt", weights_only=True))
    return model.eval()


def _latents(options: argparse.Namespace) -> tuple[Any, float]:
    """Unscaled latents, and the factor that gives them unit variance (as SD 1.x's 0.18215 was found)."""
    import torch

    codes = torch.load(options.work / "latents.pt", weights_only=True)
    return codes, float(1 / codes.std())


def _words(options: argparse.Namespace) -> Any:
    from transformers import CLIPTokenizer

    tokenizer.write(_needed(options.merges, "--merges"), options.work / "tokenizer")
    return CLIPTokenizer.from_pretrained(options.work / "tokenizer")


def _needed(path: Path | None, flag: str) -> Path:
    if path is None:
        sys.exit(f"This stage needs {flag}. See docs/explanation/demo-model.md for where to get it.")
    return path


if __name__ == "__main__":
    sys.exit(main())
