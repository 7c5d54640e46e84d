"""Training settings that fit the free video memory: the fastest recipe whose predicted peak, with a margin, fits.

Peaks are the trainer's own predictions (table `memory`), which came within 5 % of nine published totals of a Tesla T4.
The margin on a step, a tenth of the peak and 1 GiB, is for what is not modelled: cuDNN's workspaces, a desktop. A 10.74
GiB card ran out of memory with the recipe that is predicted at 9480 MiB for the builds of its time
(ShivamShrirao/diffusers issue 108), so more than 1.5 GiB beside the prediction must be allowed for; 12 GB cards run it
(huggingface/diffusers examples/dreambooth/README.md). With this margin it asks for 11049 MiB in
today's builds.

Around the steps prompts are read, photos encoded, class images and samples drawn. That happens in plain sequence, and
what torch holds unused is given back to it, so a tenth is the margin there.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from dreamboot.catalog.rows import MemoryRow
from dreamboot.model import Choice, Preset
from dreamboot.planning.companions import Chosen

MARGIN = 1.10
RESERVE_MIB = 1024
# What a desktop, the driver and other programs hold on a card whose free memory is not known: a fifteenth of it.
_IDLE_SHARE = 0.93
# Weights and gradients in fp32 and two fp32 moments for SD 1.x' UNet of 860 M parameters, and the rest of the process.
_CPU_FULL_MIB = 18_000
_DEFAULT_RESOLUTION = {"sdxl": 1024, "sd3": 512, "flux": 512, "sd2": 768}


def preset(chosen: Chosen, precision: Choice, *, eight_bit: bool) -> Tuple[Preset, Tuple[str, ...]]:
    """(settings, warnings). Never refuses: where nothing is known to fit, the smallest recipe and a warning."""
    wish, target = chosen.question.wish, chosen.question.target
    resolution = wish.resolution or _DEFAULT_RESOLUTION.get(wish.family, 512)
    if target.device == "cpu":
        return _on_cpu(chosen, resolution, eight_bit=eight_bit)
    free = free_mib(chosen)
    rows = [
        row
        for row in chosen.question.catalog.table("memory")
        if row.family == wish.family and (eight_bit or (row.optimizer != "adamw8bit" and row.base == "auto"))
        and (row.mixed_precision == "no") == (precision.value == "no")
    ]  # fmt: skip
    if free is None or not rows:
        why = "free video memory is not known" if free is None else f"no peaks are predicted for {wish.family}"
        made = _settings(resolution, precision.value, checkpointing=True, eight_bit=eight_bit)
        return Preset(method=_method(chosen), settings=made, mixed_precision=precision.value, reason=why), ()
    return _fitted(chosen, rows, free, resolution, precision.value)


def _method(chosen: Chosen) -> str:
    """What is asked for; a LoRA for a family of which nothing else is trained here (SD 3, FLUX.1)."""
    wish = chosen.question.wish
    methods = {row.method for row in chosen.question.catalog.table("memory") if row.family == wish.family}
    return "lora" if methods == {"lora"} else wish.method


def free_mib(chosen: Chosen) -> Optional[int]:
    """Free video memory (MiB) of the card that has least; None where unknown."""
    found = []
    for card in chosen.question.target.cards:
        free, total = card.gpu.vram_free_mib, card.gpu.vram_total_mib
        if free is None and total is None:
            return None
        found.append(free if free is not None else int((total or 0) * _IDLE_SHARE))
    return min(found) if found else None


def need_mib(row: MemoryRow, resolution: int) -> int:
    """What must be free to train by this row, margin included. Activations grow with the pixels, weights do not."""
    scale = max(1.0, (resolution / row.resolution) ** 2)
    # Below its own resolution a row is kept as it is: an upper bound. Above, all of it is scaled: an upper bound too.
    return max(int(row.peak_mib * scale * MARGIN) + RESERVE_MIB, int(row.around_mib * scale * MARGIN))


def _fitted(
    chosen: Chosen, rows: List[MemoryRow], free: int, resolution: int, precision: str
) -> Tuple[Preset, Tuple[str, ...]]:
    method = _method(chosen)
    wanted = sorted((row for row in rows if row.method == method), key=_liking)
    fitting = next((row for row in wanted if need_mib(row, resolution) <= free), None)
    warnings: List[str] = []
    reason = "" if method == chosen.question.wish.method else "of this family a LoRA is what is trained here. "
    if fitting is None and method == "full":
        least = min((need_mib(row, resolution) for row in wanted), default=0)
        reason = f"full fine-tuning needs {least} MiB free, {free} MiB are: a LoRA is trained instead. "
        smaller = sorted((row for row in rows if row.method == "lora"), key=_liking)
        fitting = next((row for row in smaller if need_mib(row, resolution) <= free), None)
        wanted = smaller or wanted
    if fitting is None:
        fitting = min(wanted, key=lambda row: (need_mib(row, resolution), row.peak_mib))
        need = need_mib(fitting, resolution)
        warnings.append(
            f"No recipe for {chosen.question.wish.family} is known to fit {free} MiB of free video memory: the "
            f"smallest asks for {need} MiB. Close programs that hold video memory, or use --device cpu."
        )
    settings = _settings(
        resolution, precision, checkpointing=fitting.checkpointing, eight_bit=fitting.optimizer == "adamw8bit"
    )
    if fitting.base != "auto":
        settings["base_precision"] = fitting.base
    settings["train_batch_size"] = fitting.batch
    settings["gradient_accumulation_steps"] = fitting.accumulation
    reason += (
        f"predicted peak {fitting.peak_mib} MiB in a step and {fitting.around_mib} MiB around the steps; with a margin "
        f"it asks for {need_mib(fitting, resolution)} MiB, {free} MiB are free"
    )
    made = Preset(
        method=fitting.method, settings=settings, mixed_precision=precision, predicted_vram_mib=fitting.most_mib,
        seconds_per_step=round(1 / fitting.speed, 2) if fitting.speed else None, reason=reason,
    )  # fmt: skip
    return made, tuple(warnings)


def _liking(row: MemoryRow) -> Tuple[bool, bool, bool, int]:
    """Best first: whole weights; a step is faster without checkpointing; 8-bit states only approximate AdamW's."""
    return row.base != "auto", row.checkpointing, row.optimizer != "adamw", row.peak_mib


def _on_cpu(chosen: Chosen, resolution: int, *, eight_bit: bool) -> Tuple[Preset, Tuple[str, ...]]:
    ram = chosen.question.machine.ram_total_mib
    tight = ram is not None and ram < _CPU_FULL_MIB
    settings = _settings(resolution, "no", checkpointing=False, eight_bit=tight and eight_bit)
    reason = "on a CPU: fp32, no checkpointing; memory is not the limit"
    if tight:
        reason = f"on a CPU with {ram} MiB of memory: 8-bit optimizer states to save about 5 GB"
    return Preset(method=_method(chosen), settings=settings, mixed_precision="no", reason=reason), ()


def _settings(resolution: int, precision: str, *, checkpointing: bool, eight_bit: bool) -> Dict[str, Any]:
    return {
        "resolution": resolution,
        "train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "gradient_checkpointing": checkpointing,
        "cache_latents": True,
        "optimizer": "adamw8bit" if eight_bit else "adamw",
        "mixed_precision": precision,
    }
