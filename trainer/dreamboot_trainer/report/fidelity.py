"""The table of what `pick` has measured: a row for each model, a column for each metric, and what they mean."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from dreamboot_trainer.report import FIDELITY

_MEANING = {
    "subject": "how much its pictures look like the photos; higher is better.",
    "prompt": "how much its pictures show what the prompt says; higher is better.",
    "leak": "how much the plain class looks like the subject; lower is better.",
    "variety": "how much pictures of one prompt differ; higher is better.",
}
_BALANCE = "what was learnt and what was kept in one number, 0 to 1; the best model has the highest."


def fidelity(run: Path) -> str:
    """Empty where `pick` was not called, or what it wrote cannot be read."""
    try:
        content = json.loads((run / FIDELITY).read_text(encoding="utf-8"))
        return _table(content)
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _table(content: dict[str, Any]) -> str:
    base = content["base"]
    names = [*(score["name"] for score in base), "balance"]
    rows = [_row("before training", [f"{score['value']:.3f}" for score in base] + [""])]
    if any(score.get("real") is not None for score in base):
        real = ["" if score.get("real") is None else f"{score['real']:.3f}" for score in base]
        rows.append(_row("the photos themselves", [*real, ""]))
    for each in content["candidates"]:
        best = each["step"] == content["best"]["step"]
        values = [f"{score['value']:.3f}" for score in each["scores"]] + [f"{each['balance']:.3f}"]
        rows.append(_row(f"step {each['step']}" + (" (best)" if best else ""), values, best=best))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    meant = [(score["name"], _MEANING.get(score.get("role", ""), "")) for score in base] + [("balance", _BALANCE)]
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in meant if text)
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr><th scope="col">Model</th>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><dl class="meaning">{lines}</dl>'
    )


def _row(name: str, values: list[str], *, best: bool = False) -> str:
    cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
    return f'<tr{" class=best" if best else ""}><th scope="row">{html.escape(name)}</th>{cells}</tr>'
