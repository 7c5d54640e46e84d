"""Writes the planner's table of peaks (catalog/data/memory.json) from the trainer's predictions.

    python benchmarks/memory_table.py [--write]

Run it when the trainer's step changes: the planner itself never imports torch. About ten minutes of one core. `speed`
stays what was published for a Tesla T4 with the same settings.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "installer" / "dreamboot" / "catalog" / "data" / "memory.json"
sys.path.insert(0, str(ROOT / "trainer"))
# The sides that people train at: SD 3 and FLUX.1 at 512, as diffusers' own examples for them.
RESOLUTIONS = {"sd1": 512, "sd2": 768, "sdxl": 1024, "sd3": 512, "flux": 512}
METHODS = {"full": ("adamw", "adamw8bit"), "lora": ("adamw",)}
# Transformers of 2 and 12 billion weights: an adapter, in half precision, over whole or 4-bit weights.
LARGE = ("sd3", "flux")
# Steps per second on a Tesla T4 by (checkpointing, optimizer, mixed_precision): ShivamShrirao/diffusers@b320b59
# examples/dreambooth/README.md, SD 1.x, all weights, batch 1.
T4_SPEED = {
    (True, "adamw8bit", "fp16"): 0.93, (True, "adamw8bit", "no"): 0.42, (False, "adamw8bit", "fp16"): 1.14,
    (False, "adamw8bit", "no"): 0.49, (True, "adamw", "fp16"): 0.77,
}  # fmt: skip


def main() -> None:
    """Predict every row, print it, and write the table where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--family", choices=RESOLUTIONS, action="append", help="only print the rows of these")
    options = parser.parse_args()
    rows = []
    for made in itertools.chain.from_iterable(map(rows_of, options.family or RESOLUTIONS)):
        rows.append(made)
        print(json.dumps(made), flush=True)
    if options.write and options.family:
        parser.error("the table is written whole")
    if options.write:
        TABLE.write_text(document(rows), encoding="utf-8")


def rows_of(family: str) -> Iterator[dict[str, Any]]:
    """Every row of one family."""
    if family in LARGE:
        for base, checkpointing in itertools.product(("auto", "nf4"), (False, True)):
            yield row(family, "lora", "adamw", "fp16", checkpointing=checkpointing, base=base)
        return
    for method, optimizers in METHODS.items():
        for optimizer, checkpointing, precision in itertools.product(optimizers, (False, True), ("fp16", "no")):
            yield row(family, method, optimizer, precision, checkpointing=checkpointing)


def document(rows: list[dict[str, Any]]) -> str:
    """The data file: one row a line."""
    head: dict[str, Any] = {
        "schema": 1,
        "about": "peak video memory of a training step, prior preservation included (MiB, as nvidia-smi counts); "
        "around_mib: the most around the steps, where prompts are read, photos encoded, four class images and four "
        "samples drawn at once; fp16 stands for bf16 too",
        "as_of": datetime.now(timezone.utc).date().isoformat(),
        "sources": {
            "predicted": "python -m dreamboot_trainer predict, by benchmarks/memory_table.py (LoRA of rank 16); how "
            "near it comes: docs/reference/memory.md",
            "t4-table": "speed: ShivamShrirao/diffusers@b320b59 examples/dreambooth/README.md, on a Tesla T4",
        },
    }
    lines = ",\n".join(f"  {json.dumps(item)}" for item in rows)
    return f'{json.dumps(head, indent=2)[:-2]},\n"rows": [\n{lines}\n]\n}}\n'


def row(
    family: str, method: str, optimizer: str, precision: str, *, checkpointing: bool, base: str = "auto"
) -> dict[str, Any]:
    """One row of the table."""
    from dreamboot_trainer.predict.prediction import configs_of, predict
    from dreamboot_trainer.predict.request import Request
    from dreamboot_trainer.predict.step import STEP

    request = Request(
        family=family, method=method, resolution=RESOLUTIONS[family], samples=2, optimizer=optimizer, rank=16,
        mixed_precision=precision, checkpointing=checkpointing, base=base, around=True, class_images=4, pictures=4,
    )  # fmt: skip
    moments = dict(predict(request, configs_of(family)).moments)
    made: dict[str, Any] = {
        "family": family, "method": method, "resolution": RESOLUTIONS[family], "batch": 1,
        "checkpointing": checkpointing, "optimizer": optimizer, "mixed_precision": precision,
        "peak_mib": moments.pop(STEP), "around_mib": max(moments.values()), "source": ["predicted"],
    }  # fmt: skip
    if base != "auto":
        made["base"] = base
    speed = T4_SPEED.get((checkpointing, optimizer, precision)) if (family, method) == ("sd1", "full") else None
    return {**made, "speed": speed, "source": ["predicted", "t4-table"]} if speed else made


if __name__ == "__main__":
    main()
