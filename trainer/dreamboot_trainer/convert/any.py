"""One door to all conversions: the direction follows from what the source is."""

from __future__ import annotations

from pathlib import Path

from dreamboot_trainer.convert.faults import (
    folder_named_as_file,
    not_a_checkpoint_name,
    not_found,
    option_without_use,
    run_without_result,
)
from dreamboot_trainer.convert.folder import from_original
from dreamboot_trainer.convert.lora import is_lora, lora_file, lora_to_diffusers, lora_to_kohya
from dreamboot_trainer.convert.original import to_original
from dreamboot_trainer.convert.report import Progress, Report
from dreamboot_trainer.model_folder import INDEX
from dreamboot_trainer.report import RESOLVED


def convert(
    source: Path,
    output: Path,
    *,
    dtype: str | None = None,
    use_ema: bool = False,
    family: str | None = None,
    config_dir: Path | None = None,
    tokenizer_dir: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Convert `source` to `output`.

    A diffusers folder becomes a checkpoint file, a checkpoint file a diffusers folder, a LoRA with kohya's names one
    with diffusers' names and the other way round. Of a run's folder its model is meant. Raises TrainerError, also for
    options that don't belong to the direction.
    """
    if not source.exists():
        raise not_found(source)
    source = _model_of(source)
    adapter = lora_file(source)
    if adapter is not None:
        _refuse(use_ema=use_ema, tokenizer_dir=tokenizer_dir)
        _require_ending(output, ".safetensors")
        turn = lora_to_diffusers if is_lora(adapter) == "kohya" else lora_to_kohya
        return turn(
            adapter, output, dtype=dtype or "keep", family=family, config_dir=config_dir, overwrite=overwrite,
            dry_run=dry_run, progress=progress,
        )  # fmt: skip
    if source.is_dir():
        _refuse(use_ema=use_ema, tokenizer_dir=tokenizer_dir, config_dir=config_dir)
        _require_ending(output, ".safetensors", ".ckpt")
        return to_original(
            source, output, dtype=dtype or "float16", family=family, overwrite=overwrite, dry_run=dry_run,
            progress=progress,
        )  # fmt: skip
    if output.suffix in (".safetensors", ".ckpt"):
        raise folder_named_as_file(output)
    return from_original(
        source, output, family=family, use_ema=use_ema, dtype=dtype or "keep", config_dir=config_dir,
        tokenizer_dir=tokenizer_dir, overwrite=overwrite, dry_run=dry_run, progress=progress,
    )  # fmt: skip


def _model_of(source: Path) -> Path:
    config = next((source / name for name in (RESOLVED, "config.toml") if (source / name).is_file()), None)
    if config is None or (source / INDEX).is_file():
        return source
    if not (source / "model").is_dir():
        raise run_without_result(source, config)
    return source / "model"


def _refuse(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise option_without_use(name)


def _require_ending(output: Path, *endings: str) -> None:
    if output.suffix not in endings:
        raise not_a_checkpoint_name(output, endings)
