"""`dreamboot_trainer predict`: what a run would hold of a card, and what would make it fit."""

# ruff: noqa: T201 - this is a face: it prints

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.config import DEMO, Config
from dreamboot_trainer.predict.request import Request, request_of
from dreamboot_trainer.problems import Problem, TrainerError

if TYPE_CHECKING:
    from dreamboot_trainer.families import Family

FAMILIES = ("sd1", "sd2", "sdxl", "sd3", "flux")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options, beside those of the configuration."""
    parser.add_argument("--family", choices=FAMILIES, help="a published model, where the configuration names none here")
    parser.add_argument(
        "--vram", type=int, metavar="MIB", help="free video memory: name the cheapest settings that fit"
    )
    parser.add_argument(
        "--loading", choices=("lazy", "eager"), default="lazy", help="how CUDA loads kernels (torch before 1.13: eager)"
    )


def run(options: argparse.Namespace, config: Config) -> int:
    """0: predicted, and it fits where --vram is given; raises TrainerError where nothing fits."""
    from dreamboot_trainer.lean import lean_imports

    # Adapters are stood in for, so peft is not needed either.
    with lean_imports(adapters=False):
        return _run(options, config)


def _run(options: argparse.Namespace, config: Config) -> int:
    from dreamboot_trainer.predict.fit import fit
    from dreamboot_trainer.predict.prediction import predict

    family, configs = _architecture(options, config)
    _require_method(family, config)
    request = request_of(config, family, precision="fp16")
    if options.family and not _resolution_is_told(options):
        request = replace(request, resolution=_family(family).resolution)
    answer: dict[str, Any] = {"schema": 1, "family": family, "request": _plain(request), "unit": "MiB"}
    if options.vram is None:
        found = predict(request, configs, loading=options.loading)
        answer |= {"prediction": found.to_json()}
    else:
        best = fit(request, configs, options.vram, loading=options.loading)
        if best is None:
            raise TrainerError(_too_small(family, options.vram))
        found = best.prediction
        answer |= {
            "prediction": found.to_json(), "vram": options.vram, "settings": dict(best.settings),
            "slowdown": best.slowdown, "changes_result": best.changes, "why": list(best.why),
        }  # fmt: skip
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    for moment, size in found.moments.items():
        print(f"{f'most, {moment}':<24}{size:>8} MiB{'   of it:' * (moment == found.moment)}")
    rows = {**found.parts, "allocator": found.allocator, "CUDA context": found.context, "in all": found.total}
    for name, size in rows.items():
        print(f"{name:<24}{size:>8} MiB")
    if options.vram is not None:
        given = " ".join(f"--{name} {str(item).lower()}" for name, item in answer["settings"].items())
        print(f"Fits {options.vram} MiB " + (f"with {given}" if given else "as it is"))
        for why in answer["why"]:
            print(f"  {why}")
    return 0


def _plain(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in Request.__dataclass_fields__}


def _architecture(options: argparse.Namespace, config: Config) -> tuple[str, Any]:
    """(family, configs by folder): of the model folder that is here, else of the published model."""
    from dreamboot_trainer.data.concepts import model_path
    from dreamboot_trainer.predict.prediction import configs_of

    name = config.model.pretrained_model_name_or_path
    if options.family or name == DEMO:
        family = options.family or "sd1"
        return family, configs_of(family)
    folder = model_path(config)
    if not (folder / "model_index.json").is_file():
        raise TrainerError(
            Problem(
                id="predict-needs-family",
                what=f"The architecture of {name} is not here to be read.",
                cause="It is no diffusers folder on this machine.",
                hint=f"dreamboot_trainer predict --family {FAMILIES[0]}",
            )
        )
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    vae = config.model.pretrained_vae_name_or_path
    model = read_folder(folder, {"vae": Path(vae).expanduser()} if vae else None)
    family = family_of(model)
    parts = (family.denoiser, "vae", *(name for name in family.text_encoders if name in model.parts))
    return family.name, {part: model.config(part) for part in parts}


def _family(name: str) -> Family:
    from dreamboot_trainer.families import families

    return next(family for family in families() if family.name == name)


def _resolution_is_told(options: argparse.Namespace) -> bool:
    """Whether a flag, a setting, a file or a recipe says it; else it is the one that the model was made for."""
    told = options.resolution is not None or any(item.startswith("resolution=") for item in options.overrides)
    return told or bool(options.config or options.recipe)


def _require_method(name: str, config: Config) -> None:
    """TrainerError for what cannot be trained, however large the card is."""
    from dreamboot_trainer.checks.fits import method_faults

    faults = method_faults(config, _family(name))
    if faults:
        raise TrainerError(*faults)


def _too_small(family: str, vram: int) -> Problem:
    return Problem(
        id="predict-nothing-fits",
        what=f"No settings are known that train {family} in {vram} MiB.",
        cause="Also with an adapter, weights of 4 bits, 8-bit optimizer states and gradient checkpointing the peak is "
        "above that.",
        hint="a smaller --resolution, or close what else holds video memory: dreamboot detect",
    )
