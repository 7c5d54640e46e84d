"""report.html: in the order in which people ask, whole without a network, and with nothing of the user's as markup."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

from PIL import Image

from dreamboot_trainer.report import FIDELITY, commands, facts, pictures, write_report
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer
SCRIPT = "a photo of sks <script>alert('dog')</script>"


class Page(HTMLParser):
    """What a browser finds: headings, elements with their attributes, and the text in them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self._inside.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._inside):
            self.texts[tag][-1] += data

    def images(self, start: str) -> list[Any]:
        """Pictures whose alternative text begins so, decoded."""
        found = [each for tag, each in self.tags if tag == "img" and each["alt"].startswith(start)]
        return [Image.open(io.BytesIO(base64.b64decode(each["src"].partition(",")[2]))) for each in found]

    def rows(self) -> dict[str, str]:
        cells = re.findall('<tr><th scope="row">(.*?)</th><td>(.*?)</td>', self.source)
        return {name: html.unescape(value) for name, value in cells}


@pytest.fixture(scope="module")
def sampled(tiny: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with samples, in a folder and from a photo whose names are markup."""
    own = Path(shutil.copytree(photos, tmp_path_factory.mktemp("own") / "photos"))
    next(own.glob("*.png")).rename(own / "<img src=x onerror=alert(1)>.png")
    run = tmp_path_factory.mktemp("runs") / "run <&>"
    settings = {"num_validation_images": 1, "validation_steps": 2, "save_original": True}
    config = configure(tiny, own, instance_prompt=SCRIPT, **settings)
    train(config, run)
    return run


def test_sections_stand_in_the_order_in_which_people_ask(sampled: Path) -> None:
    page = Page(sampled / "report.html")
    assert page.texts["h2"] == [
        "Before and after", "What next", "The photos it learnt from", "Samples over time", "Curves", "Changed settings",
        "To repeat it", "Environment",
    ]  # fmt: skip
    assert page.texts["h1"] == [SCRIPT]
    shown = [each["alt"] for tag, each in page.tags if tag == "img" and each["alt"].startswith("Samples")]
    moments = ["Before training", "After 2 steps", "After 4 steps"]
    assert shown == [f"Samples: {moment}" for moment in (moments[0], moments[2], *moments)]


def test_its_numbers_are_those_of_the_run(sampled: Path, tiny: Path) -> None:
    from dreamboot_trainer.events import read_events

    page = Page(sampled / "report.html")
    rows = page.rows()
    assert (rows["Model"], rows["Run folder"], rows["Device"]) == (str(tiny), str(sampled), "cpu")
    assert rows["optimizer.learning_rate"] == "0.001"
    assert rows["torch"] == metadata.version("torch")
    assert dict(zip(page.texts["dt"], page.texts["dd"], strict=True))["Steps"] == "4 of 4"
    loss = losses(read_events(sampled / "events.jsonl"))[4]
    assert any(f"The mean of the last tenth is {loss:.4f}." in text for text in page.texts["figcaption"])
    assert "The learning rate was 0.001 in every step." in page.texts["p"]
    assert not page.images("Learning rate")


def test_nothing_of_the_users_is_markup_and_nothing_is_fetched(sampled: Path) -> None:
    page = Page(sampled / "report.html")
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "a"} == set()
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert "<img src=x onerror=alert(1)>.png" in [each.get("alt") for _, each in page.tags]
    assert all(each["src"].startswith("data:image/") for tag, each in page.tags if tag == "img")
    assert not re.search(r"https?:|@import|url\(", page.source)
    metas = {
        each.get("name") or each.get("http-equiv"): each.get("content") for tag, each in page.tags if tag == "meta"
    }
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["Content-Security-Policy"].startswith("default-src 'none'")
    assert "prefers-color-scheme: dark" in page.source


def test_photos_are_small_jpegs_of_the_real_ones(sampled: Path) -> None:
    page = Page(sampled / "report.html")
    found = [*page.images("<img"), *page.images("photo")]
    assert len(found) == 3
    assert all(picture.format == "JPEG" and max(picture.size) <= 240 for picture in found)
    assert f"3 photos of “{SCRIPT}”." in page.texts["p"]


def test_what_next_can_be_pasted(sampled: Path) -> None:
    (sampled / "config.toml").write_text((sampled / "resolved.toml").read_text())
    try:
        rewritten(sampled)
        page = Page(sampled / "report.html")
    finally:
        (sampled / "config.toml").unlink()
    config = str(sampled / "resolved.toml")
    words = [shlex.split(each) for each in page.texts["code"] if each.startswith("dreamboot ")]
    assert words == [
        ["dreamboot", "sample", str(sampled), "--prompt", SCRIPT],
        ["dreamboot", "train", "--config", config, "--max-train-steps", "6"],
        ["dreamboot", "train", "--config", str(sampled / "resolved.toml"), "--output", "NEW_FOLDER"],
    ]
    assert str(sampled / "model.safetensors") in page.texts["code"]
    assert "models/Stable-diffusion" in page.texts["code"]
    assert "models/checkpoints" in page.texts["code"]


def rewritten(run: Path, **changes: object) -> Page:
    """The page once more, with settings that have changed since."""
    from dreamboot_trainer.config_read import read
    from dreamboot_trainer.events import read_training

    config = read(run / "resolved.toml", [f"{name}={value}" for name, value in changes.items()])
    return Page(write_report(config, run, read_training(run / "events.jsonl")))


def test_a_run_without_dreamboot_is_told_the_trainers_own_commands(sampled: Path, tmp_path: Path) -> None:
    """Without config.toml dreamboot does not find the run; the trainer's command does, and draws."""
    from dreamboot_trainer import cli

    command = next(each for each in rewritten(sampled).texts["code"] if " sample " in each)
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "dreamboot_trainer", "sample"]
    words[-1] = str(tmp_path / "picture.png")
    assert cli.main([*words[3:], "--pictures", "1"]) == 0
    with Image.open(tmp_path / "picture.png") as drawn:
        assert drawn.width >= 64


def test_a_rate_that_has_fallen_begins_anew(sampled: Path) -> None:
    """A checkpoint of such a run refuses more steps."""
    page = rewritten(sampled, lr_scheduler="cosine", num_train_epochs=10)
    assert [each for each in page.texts["code"] if each.endswith("--num-train-epochs 15")] == [
        f"{commands.repeat(sampled).dreamboot} --num-train-epochs 15"
    ]


def test_grids_that_cannot_be_compared_are_no_before_and_after(sampled: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(sampled, tmp_path / "run"))
    (run / "samples" / "before_after.png").unlink()
    (run / "samples" / "step-000002.png").write_bytes(b"half a")
    page = rewritten(run)
    assert page.texts["h2"][0] == "Result"
    assert len(page.images("Samples: After 4 steps")) == 2
    assert "After 2 steps: the picture step-000002.png cannot be read any more." in page.texts["p"]


def test_an_adapter_without_samples_and_photos(tiny: Path, photos: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(photos, tmp_path / "photos"))
    run = tmp_path / "run"
    config = configure(tiny, own, method="lora", save_original=True, lr_scheduler="linear", max_train_steps=2)
    events = train(config, run)
    shutil.rmtree(own)
    page = Page(write_report(config, run, events))
    assert page.texts["h2"][:4] == ["Result", "What next", "The photos it learnt from", "Curves"]
    assert f"The photos of “a photo of sks dog” are no longer in {own}." in page.texts["p"]
    assert {"models/Lora", "models/loras", "<lora:NAME:1>", "sks"} <= set(page.texts["code"])
    assert len(page.images("Learning rate")) == 1
    assert not page.images("Samples")


def test_several_subjects_share_the_room_for_photos(sampled: Path, tmp_path: Path) -> None:
    rows = []
    for name, count in (("cat", 9), ("dog", 20)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (90, 60), "red").save(tmp_path / name / f"{name}-{number:02d}.jpg")
        prompts = {"instance_prompt": f"a photo of sks {name}", "class_prompt": f"a photo of a {name}"}
        rows.append({**prompts, "instance_data_dir": str(tmp_path / name)})
    (tmp_path / "list.json").write_text(json.dumps(rows))
    (tmp_path / "dog" / "dog-00.jpg").write_bytes(b"no picture")
    page = rewritten(sampled, concepts_list=tmp_path / "list.json")
    assert [len(page.images(name)) for name in ("cat-", "dog-")] == [6, 5]
    assert "9 photos of “a photo of sks cat”; 6 of them here." in page.texts["p"]
    assert "20 photos of “a photo of sks dog”; 5 of them here." in page.texts["p"]
    assert page.rows()["prior.num_class_images"] == "3"


def test_scores_have_a_column_each_and_say_what_they_mean(sampled: Path) -> None:
    def score(value: float, real: Any = None) -> list[dict[str, Any]]:
        return [{"name": "DINO", "role": "subject", "value": value, "real": real}]

    rows = [{"step": step, "balance": step / 8, "scores": score(0.5 + step / 16)} for step in (2, 4)]
    told = {"best": {"step": 4}, "base": score(0.5, 0.9), "candidates": rows}
    (sampled / FIDELITY).write_text(json.dumps(told))
    try:
        page = rewritten(sampled)
        (sampled / FIDELITY).write_text("{")
        assert "Fidelity" not in rewritten(sampled).texts["h2"]
    finally:
        (sampled / FIDELITY).unlink()
    part = page.source.partition("<h2>Fidelity</h2>")[2].partition("</section>")[0]
    table = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr.*?</tr>", part)]
    assert table == [
        ["Model", "DINO", "balance"], ["before training", "0.500", ""], ["the photos themselves", "0.900", ""],
        ["step 2", "0.625", "0.250"], ["step 4 (best)", "0.750", "0.500"],
    ]  # fmt: skip
    assert {"DINO", "balance"} <= set(page.texts["dt"])


def test_times_and_choices_by_hand() -> None:
    records = [
        {"event": event, "stage": stage, "time": time}
        for event, stage, time in (
            ("started", "prepare", 100), ("progress", "train", 160), ("started", "prepare", 9000), ("x", "y", 9005),
        )
    ]  # fmt: skip
    assert facts.seconds(records) == 65  # the hours between two calls are nobody's
    assert [facts.lasted(each) for each in (42.4, 60, 425, 7800)] == ["42 s", "1 min", "7 min 5 s", "2 h 10 min"]
    assert pictures.spread(range(100), 4) == [0, 33, 66, 99]
    assert pictures.spread(range(3), 4) == [0, 1, 2]
    assert [commands.more(steps) for steps in (1, 4, 12, 300, 800)] == [2, 6, 18, 450, 1200]
    assert commands.quoted("a photo of sks dog") == '"a photo of sks dog"'
    assert shlex.split(commands.quoted("it's $HOME `x`")) == ["it's $HOME `x`"]


def test_commands_are_spelt_as_dreamboot_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamboot_trainer.report.commands import repeat

    monkeypatch.setenv("DREAMBOOT_CALLED_AS", "python3 /a/bootstrap.py")
    assert repeat(tmp_path).dreamboot.startswith("python3 /a/bootstrap.py train --config ")
    monkeypatch.delenv("DREAMBOOT_CALLED_AS")
    assert repeat(tmp_path).dreamboot.startswith("dreamboot train --config ")
