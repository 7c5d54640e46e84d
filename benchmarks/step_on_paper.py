"""Where a training step's time goes on a T4, an RTX 4090 and an H100, from operation counts and bytes.

    python benchmarks/step_on_paper.py [--write]

No GPU is needed. --write puts the tables into docs/explanation/step-on-paper.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "trainer"))
STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("SD 1.5, all weights, 512 px", "sd1", {"samples": 2, "resolution": 512, "optimizer": "adamw8bit"}),
    (
        "the same, gradient checkpointing",
        "sd1",
        {"samples": 2, "resolution": 512, "optimizer": "adamw8bit", "checkpointing": True},
    ),
    ("the same, plain AdamW", "sd1", {"samples": 2, "resolution": 512, "optimizer": "adamw"}),
    ("SD 1.5, LoRA, 512 px", "sd1", {"samples": 2, "resolution": 512, "method": "lora", "rank": 16}),
    ("SDXL, LoRA, 1024 px", "sdxl", {"samples": 2, "resolution": 1024, "method": "lora", "rank": 16}),
)


def main() -> None:
    """Count each step once, and lay it on each card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    from dreamboot_trainer.predict.prediction import configs_of
    from dreamboot_trainer.predict.request import Request
    from dreamboot_trainer.predict.work import count

    cards = json.loads((Path(__file__).parent / "cards.json").read_text(encoding="utf-8"))["rows"]
    head = ("step", "TFLOP", "GB moved", "card", "least ms", "of it convolution", "attention", "matrix product")
    columns = (*head, "norms and the rest", "optimizer", "compute-bound")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for name, family, settings in STEPS:
        work = count(Request(family=family, mixed_precision="fp16", **settings), configs_of(family))
        flops, traffic = sum(item.flops for item in work), sum(item.traffic for item in work)
        for card in cards:
            compute, memory = card["tflops"] * 1e12, card["gb_per_second"] * 1e9
            times = [(item.kind, item.seconds(compute, memory), item.flops / compute) for item in work]
            total = sum(seconds for _, seconds, _ in times)
            parts = [
                sum(seconds for kind, seconds, _ in times if kind == wanted) / total
                for wanted in ("convolution", "attention", "matrix product", "norms and the rest", "optimizer")
            ]
            bound = sum(seconds for _, seconds, arithmetic in times if arithmetic >= seconds) / total
            cells = " | ".join(f"{part:.0%}" for part in parts)
            counts = f"{flops / 1e12:.1f} | {traffic / 1e9:.0f}"
            lines.append(f"| {name} | {counts} | {card['name']} | {total * 1e3:.0f} | {cells} | {bound:.0%} |")
        print("\n".join(lines[-len(cards) :]), flush=True)
    if options.write:
        from page import put

        put(ROOT / "docs" / "explanation" / "step-on-paper.md", "benchmarks/step_on_paper.py", lines)


if __name__ == "__main__":
    main()
