"""report.html: what a person wants first, everything of the user's escaped, whole without a network."""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("torch")

from dreamboot_trainer.report import FIDELITY, write_report
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer


def headings(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def captions(page: str) -> list[str]:
    return re.findall("<figcaption>(.*?)</figcaption>", page)


def test_the_report_shows_the_run_and_what_to_do_next(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run <&>"
    config = configure(tiny, photos, num_validation_images=1, validation_steps=2, instance_prompt="a <b>sks</b> dog")
    events = train(config, run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert headings(page) == [
        "Before and after", "What next", "The photos it learnt from", "Samples over time", "Curves", "To repeat it",
        "Changed settings", "The run", "Environment",
    ]  # fmt: skip
    grids = ["Before training", "After 4 steps"]
    shown = sorted(path.name for path in photos.iterdir() if path.suffix == ".png")
    assert captions(page) == [*grids, *shown, "Before training", "After 2 steps", "After 4 steps",
                              "Loss of each step, and its running mean"]  # fmt: skip
    rows = dict(re.findall("<tr><th>(.*?)</th><td>(.*?)</td></tr>", page))
    assert (rows["Model"], rows["Steps"], rows["Device"]) == (str(tiny), "4 of 4", "cpu")
    assert rows["Mean loss of the last tenth"] == f"{losses(events)[4]:.4f}"
    assert {name: rows[name] for name in ("torch", "diffusers")} == {
        name: metadata.version(name) for name in ("torch", "diffusers")
    }
    assert "optimizer.learning_rate</th><td>0.001" in page
    assert "<h1>a &lt;b&gt;sks&lt;/b&gt; dog</h1>" in page
    assert "run &lt;&amp;&gt;" in page
    assert not re.search("run <&>|<b>", page)
    assert "dreamboot sample" in page
    assert "--max-train-steps 6" in page
    assert "dreamboot train --config" in page
    assert "--output_dir NEW_FOLDER" in page
    assert "The learning rate was 0.001 in every step." in page


def test_it_is_for_phones_and_needs_nothing_from_elsewhere(tiny: Path, photos: Path, tmp_path: Path) -> None:
    train(configure(tiny, photos, max_train_steps=1), tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme:dark" in page
    assert not re.search(r"<script|<link|https?://|@import|url\(", page)


def test_what_is_gone_is_left_out(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """Without samples there is no before and after; photos may be deleted, and the rate may change."""
    own = Path(shutil.copytree(photos, tmp_path / "photos"))
    config = configure(tiny, own, num_validation_images=0, lr_scheduler="linear", save_original=False)
    events = train(config, tmp_path / "run")
    shutil.rmtree(own)
    page = write_report(config, tmp_path / "run", events).read_text(encoding="utf-8")
    assert headings(page) == ["What next", "Curves", "To repeat it", "Changed settings", "The run", "Environment"]
    assert captions(page) == ["Loss of each step, and its running mean", "Learning rate"]
    assert "model.safetensors into" not in page
    assert "Train on" not in page


def test_scores_have_a_column_each(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = configure(tiny, photos, max_train_steps=1, num_validation_images=0, method="lora", save_original=True)
    events = train(config, run)
    score = {"name": "DINO", "role": "subject", "value": 0.5, "real": None}
    found = {
        "schema": 1, "best": {"step": 1, "path": "x"}, "base": [score],
        "candidates": [{"step": 1, "path": "x", "balance": 0.25, "scores": [{**score, "value": 0.75}]}],
    }  # fmt: skip
    (run / FIDELITY).write_text(json.dumps(found))
    page = write_report(config, run, events).read_text(encoding="utf-8")
    assert "<tr><th></th><th>DINO</th><th>balance</th></tr>" in page
    assert '<tr class="best"><td>step 1 (best)</td><td>0.750</td><td>0.250</td></tr>' in page
    assert "models/Lora" in page
