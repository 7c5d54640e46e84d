"""`dreamboot_trainer predict`: what a run would hold of a card, and what would make it fit."""

# ruff: noqa: T201 - this is a face: it prints

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.config import DEMO, Config
from dreamboot_trainer.predict.request import Request, request_of
from dreamboot_trainer.problems import Problem, TrainerError

if TYPE_CHECKING:
    from dreamboot_trainer.families import Family

FAMILIES = ("sd1", "sd2", "sdxl", "sd3", "flux")
_UNITS = {"": 2**20, "mib": 2**20, "gib": 2**30, "mb": 10**6, "gb": 10**9}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([mg]i?b|)", re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options, beside those of the configuration."""
    parser.add_argument("--family", choices=FAMILIES, help="a published model, where the configuration names none here")
    parser.add_argument(
        "--vram", type=mebibytes, metavar="SIZE",
        help="free video memory (12GB, 12GiB, 12000MiB; a number alone is MiB): name the cheapest settings that fit",
    )  # fmt: skip
    parser.add_argument(
        "--loading", choices=("lazy", "eager"), default="lazy", help="how CUDA loads kernels (torch before 1.13: eager)"
    )


def mebibytes(text: str) -> int:
    """`12GB`, `11.5GiB`, `12000MB`, `12000MiB`, `12000` in whole MiB; raises ArgumentTypeError."""
    found = _SIZE.fullmatch(text.strip())
    mib = int(float(found[1]) * _UNITS[found[2].lower()] / _UNITS["mib"]) if found else 0
    if mib < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 12GB, 12GiB or 12000 (MiB)")
    return mib


def run(options: argparse.Namespace, config: Config) -> int:
    """0: predicted, and it fits where --vram is given; raises TrainerError where nothing fits."""
    from dreamboot_trainer.lean import lean_imports

    # Adapters are stood in for, so peft is not needed either.
    with lean_imports(adapters=False):
        return _run(options, config)


def _run(options: argparse.Namespace, config: Config) -> int:
    from dreamboot_trainer.predict.fit import fit
    from dreamboot_trainer.predict.lines import of_fit, of_request
    from dreamboot_trainer.predict.prediction import predict

    family, configs = _architecture(options, config)
    _require_method(family, config)
    request = request_of(config, family, precision="fp16")
    if options.family and not _resolution_is_told(options):
        request = replace(request, resolution=_family(family).resolution)
    answer: dict[str, Any] = {"schema": 1, "family": family, "request": _plain(request), "unit": "MiB"}
    if options.vram is None:
        found = predict(request, configs, loading=options.loading)
        answer |= {"prediction": found.to_json(), "lines": of_request(found)}
    else:
        best = fit(request, configs, options.vram, loading=options.loading)
        if best is None:
            raise TrainerError(_too_small(family, options.vram))
        answer |= {
            "prediction": best.prediction.to_json(), "vram": options.vram, "settings": dict(best.settings),
            "asked": best.asked.to_json() if best.asked else None,
            "slowdown": best.slowdown, "changes_result": best.changes, "why": list(best.why),
            "lines": of_fit(best, options.vram),
        }  # fmt: skip
    print(json.dumps(answer, ensure_ascii=False) if options.json else "\n".join(answer["lines"]))
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
                hint=f"dreamboot predict --family {FAMILIES[0]}",
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
