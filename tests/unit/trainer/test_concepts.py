"""Several concepts: each with its own photos, prompts and class images, from a list or from tables."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer.config import Config
from dreamboot_trainer.config_read import read
from dreamboot_trainer.data.batches import Batches
from support.tiny_sd import write_photos
from support.training import BASE, train

pytestmark = pytest.mark.trainer


@pytest.fixture
def concepts(photos: Path, tmp_path: Path) -> list[dict[str, str]]:
    """Three photos of a dog, two of a cat, and a folder for each one's class images."""
    folders = {"dog": photos, "cat": write_photos(tmp_path / "cats", count=2)}
    return [
        {
            "instance_prompt": f"a photo of {token} {noun}",
            "class_prompt": f"a photo of a {noun}",
            "instance_data_dir": str(folders[noun]),
            "class_data_dir": str(tmp_path / "classes" / noun),
        }
        for token, noun in (("sks", "dog"), ("zwx", "cat"))
    ]


def configured(form: str, rows: list[dict[str, str]], tiny: Path, folder: Path) -> Config:
    """Both ways to name them."""
    settings = {**BASE, "pretrained_model_name_or_path": tiny, "num_class_images": 2, "max_train_steps": 6}
    del settings["instance_prompt"], settings["class_prompt"]
    if form == "list":
        path = folder / "concepts_list.json"
        path.write_text(json.dumps(rows))
        return read(None, [f"{name}={value}" for name, value in {**settings, "concepts_list": path}.items()])
    tables = [
        "[[data.concepts]]\n" + "".join(f"{key} = {json.dumps(text)}\n" for key, text in row.items()) for row in rows
    ]
    (folder / "config.toml").write_text("\n".join(tables))
    return read(folder / "config.toml", [f"{name}={value}" for name, value in settings.items()])


@pytest.mark.parametrize("form", ["list", "tables"])
def test_every_concept_is_trained_with_its_own_words(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concepts: list[dict[str, str]], form: str
) -> None:
    """What a step is really given: which file with which prompt, in both streams."""
    seen: dict[str, set[tuple[str, str]]] = {"instance": set(), "class": set()}
    sample = Batches._sample

    def spying(self: Batches, stream: str, source: Any, order: Any, place: int) -> Any:
        item, found = source.items[order.at(place)], sample(self, stream, source, order, place)
        assert found.row == self._rows[item.prompt]
        seen[stream].add((item.path.parent.name, item.prompt))
        return found

    monkeypatch.setattr(Batches, "_sample", spying)
    train(configured(form, concepts, tiny, tmp_path), tmp_path / "run")
    folder = {"instance": "instance_data_dir", "class": "class_data_dir"}
    for stream, found in seen.items():
        assert found == {(Path(row[folder[stream]]).name, row[f"{stream}_prompt"]) for row in concepts}


def test_class_images_beyond_the_number_are_left_alone(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from dreamboot_trainer.class_images import class_items
    from dreamboot_trainer.context import Context
    from dreamboot_trainer.data.concepts import subjects
    from support.training import configure

    nothing: Any = None
    config = configure(tiny, photos, class_data_dir=write_photos(tmp_path / "many", count=5), num_class_images=4)
    context = Context(config, tmp_path, nothing, nothing, nothing, nothing)
    assert len(class_items(context, subjects(config, tmp_path), "digest of the model")) == 4


def test_a_photos_digest_goes_by_content_name_and_prompt(tmp_path: Path) -> None:
    """Also of one that is as long as it was."""
    from dreamboot_trainer.data.items import Item, fingerprints

    seen = set()
    for name, content, prompt in (("a", b"xy", "p"), ("a", b"xz", "p"), ("b", b"xy", "p"), ("a", b"xy", "q")):
        (tmp_path / name).write_bytes(content)
        seen.add(json.dumps(fingerprints([Item(path=tmp_path / name, prompt=prompt)])))
    assert len(seen) == 4
