"""Predicted against published peaks of video memory; with --write also the table of docs/reference/memory.md.

    python benchmarks/predict_memory.py [--write]

The peer is what was published: totals that people measured on a Tesla T4, an RTX 4090 and an H100
(published_memory.json).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "trainer"))
UNITS = {"GB": 1e9, "GiB": 2**30}


def _said(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def main() -> None:
    """Predict every row and print it as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/memory.md")
    options = parser.parse_args()
    from dreamboot_trainer.predict.prediction import configs_of, predict
    from dreamboot_trainer.predict.request import Request

    rows = json.loads((Path(__file__).parent / "published_memory.json").read_text(encoding="utf-8"))["rows"]
    lines = ["| source | settings | published | predicted | error | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    print("\n".join(lines))
    errors, others = [], []
    for row in rows:
        family = row.get("family", "sd1")
        request = Request(family=family, **row["request"])
        found = predict(request, configs_of(row.get("model", family)), loading=row.get("loading", "lazy"))
        counted = found.allocated if row.get("counts") == "allocated" else found.total
        size = counted * 2**20 / UNITS[row["unit"]]
        error = size / row["published"] - 1
        errors += [abs(error)] if row["judged"] else []
        others += [abs(error)] if row.get("specified") else []
        settings = ", ".join(f"{key} {_said(value)}" for key, value in row["request"].items())
        lines.append(
            f"| {row['source']} | {settings} | {row['published']} {row['unit']} | {size:.2f} | {error:+.1%} | "
            f"{found.seconds:.0f} |"
        )
        print(lines[-1], flush=True)
    lines.append("")
    lines.append(
        f"On the {len(errors)} rows of the T4: median error {statistics.median(errors):.1%}, worst {max(errors):.1%}."
    )
    lines.append(f"On the {len(others)} other rows that name every setting: worst {max(others):.1%}.")
    print(*lines[-2:], sep="\n")
    if options.write:
        from page import put

        put(ROOT / "docs" / "reference" / "memory.md", "benchmarks/predict_memory.py", lines)


if __name__ == "__main__":
    main()
