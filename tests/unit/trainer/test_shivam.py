"""Everything that ShivamShrirao's script does is here, and its known faults are not.

The flags are those of its last version (2023-06-08); the faults were read in its code.
"""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from dreamboot_trainer.config import keys
from dreamboot_trainer.other_trainers import row_of
from dreamboot_trainer.problems import TrainerError
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer

_SCRIPT = """pretrained_model_name_or_path pretrained_vae_name_or_path revision tokenizer_name instance_data_dir
class_data_dir instance_prompt class_prompt save_sample_prompt save_sample_negative_prompt n_save_sample
save_guidance_scale save_infer_steps pad_tokens with_prior_preservation prior_loss_weight num_class_images output_dir
seed resolution center_crop train_text_encoder train_batch_size sample_batch_size num_train_epochs max_train_steps
gradient_accumulation_steps gradient_checkpointing learning_rate scale_lr lr_scheduler lr_warmup_steps use_8bit_adam
adam_beta1 adam_beta2 adam_weight_decay adam_epsilon max_grad_norm push_to_hub hub_token hub_model_id logging_dir
log_interval save_interval save_min_steps mixed_precision not_cache_latents hflip local_rank concepts_list
read_prompts_from_txts"""
FLAGS = _SCRIPT.split()


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_has_its_key_or_its_answer(flag: str) -> None:
    row = row_of(flag)
    assert row is not None
    assert "ShivamShrirao" in row.trainers
    assert row.kind != "absent"
    assert (flag in {key.name for key in keys()}) == (row.kind == "same")


def test_fault_clipping_has_an_effect(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """There the call is commented out, so max_grad_norm does nothing."""
    settings: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1.0, "max_train_steps": 1}
    settings |= {"save_precision": "fp32", "with_prior_preservation": False}
    for norm in (0.0, 1e-4):
        train(configure(tiny, photos, max_grad_norm=norm, **settings), tmp_path / f"{norm}")
    name = Path("unet") / "diffusion_pytorch_model.safetensors"
    start = load_file(tiny / name)
    moved = {
        norm: sum(
            float((tensor - start[key]).square().sum())
            for key, tensor in load_file(tmp_path / f"{norm}" / "model" / name).items()
        )
        ** 0.5
        for norm in (0.0, 1e-4)
    }
    assert moved[1e-4] == pytest.approx(1e-4, rel=0.05)
    assert moved[0.0] > 100 * moved[1e-4]


def test_fault_cached_pairs_change_from_epoch_to_epoch(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a cached batch is an instance photo and a class image that meet in every epoch."""
    from dreamboot_trainer.data.batches import Batches

    met: list[tuple[Any, ...]] = []
    sample = Batches._sample

    def spying(self: Batches, stream: str, source: Any, order: Any, place: int) -> Any:
        met.append((stream, order.at(place)))
        return sample(self, stream, source, order, place)

    monkeypatch.setattr(Batches, "_sample", spying)
    train(configure(tiny, photos, max_train_steps=12, num_class_images=3), tmp_path / "run")
    pairs = [(met[i][1], met[i + 1][1]) for i in range(0, len(met), 2)]
    assert {stream for stream, _ in met[::2]} == {"instance"}
    epochs = [frozenset(pairs[first : first + 3]) for first in range(0, 12, 3)]
    for epoch in epochs:
        assert {instance for instance, _ in epoch} == {0, 1, 2}
    assert len(set(epochs)) > 1


def test_fault_latents_are_drawn_anew_and_crops_too(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There crop and mirror image are frozen with the cache. Here hflip keeps both views of a cached photo."""
    from dreamboot_trainer.data.batches import Batches

    seen: dict[int, set[bytes]] = {}
    sample = Batches._sample

    def spying(self: Batches, stream: str, source: Any, order: Any, place: int) -> Any:
        found = source.encoded(order.at(place), (self._seed, stream, place))
        if stream == "instance":
            seen.setdefault(order.at(place), set()).add(found.mean.numpy().tobytes())
        return sample(self, stream, source, order, place)

    monkeypatch.setattr(Batches, "_sample", spying)
    train(configure(tiny, photos, max_train_steps=24, hflip=True, with_prior_preservation=False), tmp_path / "run")
    assert all(len(views) == 2 for views in seen.values())


def test_fault_sampling_needs_no_seed(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """There `manual_seed(None)` raises when a sample prompt is given and no seed is. Here samples have their own."""
    settings = {"num_validation_images": 1, "validation_steps": 1, "max_train_steps": 1}
    grids = []
    for seed in (0, 1):
        train(configure(tiny, photos, seed=seed, **settings), tmp_path / f"{seed}")
        grids.append((tmp_path / f"{seed}" / "samples" / "step-000000.png").read_bytes())
    assert grids[0] == grids[1]


def test_fault_stray_files_are_no_class_images(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """There every entry of the folder counts."""
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("notes.txt", "Thumbs.db", "broken.png"):
        (folder / name).write_text("no image")
    train(configure(tiny, photos, class_data_dir=folder, num_class_images=3, max_train_steps=1), tmp_path / "run")
    assert len(list(folder.glob("generated-*.png"))) == 3


def test_models_are_kept_at_their_interval_with_samples(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = {"save_interval": 2, "save_min_steps": 3, "max_train_steps": 8, "validation_steps": 0}
    train(configure(tiny, photos, num_validation_images=1, **settings), run)
    assert sorted(path.name for path in (run / "saves").iterdir()) == ["step-000004", "step-000006"]
    assert (run / "saves" / "step-000004" / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert sorted(path.stem for path in (run / "samples").glob("step-*")) == [
        "step-000000", "step-000004", "step-000006", "step-000008",
    ]  # fmt: skip


def test_a_kill_between_checkpoint_and_save_loses_neither(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = {"save_interval": 2, "checkpointing_steps": 2, "validation_steps": 0, "num_validation_images": 1}
    train(configure(tiny, photos, max_train_steps=4, **settings), run)
    shutil.rmtree(run / "saves")
    (run / "samples" / "step-000002.png").unlink()
    shutil.rmtree(run / "checkpoints" / "step-000004")
    train(configure(tiny, photos, max_train_steps=2, **settings), tmp_path / "other")
    shutil.copytree(tmp_path / "other" / "checkpoints" / "step-000002", run / "checkpoints" / "step-000002")
    train(configure(tiny, photos, max_train_steps=4, **settings), run)
    assert (run / "saves" / "step-000002").is_dir()
    assert (run / "samples" / "step-000002.png").is_file()


def test_epochs_are_counted_in_photos(tiny: Path, photos: Path, tmp_path: Path) -> None:
    config = configure(tiny, photos, num_train_epochs=2, train_batch_size=2, with_prior_preservation=False)
    assert max(losses(train(config, tmp_path / "run"))) == 3


@pytest.mark.parametrize("trained", [False, True])
def test_prompts_have_the_encoders_length_or_with_pad_tokens_off_the_longest_ones(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: bool
) -> None:
    from dreamboot_trainer.data.batches import Batches

    lengths: list[int] = []
    at = Batches.at

    def spying(self: Batches, *place: int) -> Any:
        found = at(self, *place)
        lengths.extend(next(iter(batch.text.values())).shape[1] for batch in found)
        return found

    monkeypatch.setattr(Batches, "at", spying)
    for pad in (True, False):
        settings = {"pad_tokens": pad, "train_text_encoder": trained, "max_train_steps": 1}
        train(configure(tiny, photos, **settings), tmp_path / str(pad))
    longest = len("aphotoofsksdog") + 2  # the miniature's tokens are letters, between a beginning and an end
    assert lengths == [77, longest]


def test_padding_to_the_longest_by_hand() -> None:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from dreamboot_trainer import demo
    from dreamboot_trainer.stages.cache import padded_to_longest

    tokenizer = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    before = tokenizer.model_max_length
    with padded_to_longest((tokenizer,), ("a sks dog", "a photo of a red dog")):
        assert tokenizer.model_max_length == 8  # six words between a beginning and an end
    assert tokenizer.model_max_length == before


def test_class_images_can_be_made_with_another_prompt(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed's two settings: one word that identifies the class, several that make its pictures."""
    from dreamboot_trainer.pipeline import Pipeline

    asked: list[str] = []
    embed = Pipeline.embed
    monkeypatch.setattr(Pipeline, "embed", lambda self, prompts: asked.extend(prompts) or embed(self, prompts))
    words = "a high resolution photo of a dog"
    train(configure(tiny, photos, class_image_prompt=words, max_train_steps=1), tmp_path / "run")
    assert asked[0] == words
    assert asked.count("a photo of a dog") == 1  # what training says to the network is the class prompt


def test_one_failure_names_every_flag_of_the_script_that_is_spelled_otherwise(tiny: Path, photos: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        configure(tiny, photos, log_interval=10, use_8bit_adam=True)
    hints = " ".join(problem.hint for problem in caught.value.problems)
    assert "Leave log_interval out" in hints
    assert "--set optimizer=adamw8bit" in hints
