"""What today's trainers add: compiled networks, token initialisation, photo threads, implementations, trackers."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from dreamboot_trainer import demo
from dreamboot_trainer.problems import TrainerError
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer


def test_a_compiled_network_learns_the_same(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """`aot_eager` goes through torch's compiler but for the last stage, which would take minutes on a CPU."""
    settings = {"max_train_steps": 2, "num_validation_images": 1, "with_prior_preservation": False}
    plain = losses(train(configure(tiny, photos, **settings), tmp_path / "plain"))
    seen = torch._dynamo.utils.counters["frames"]["ok"]
    compiled = losses(train(configure(tiny, photos, compile="aot_eager", **settings), tmp_path / "compiled"))
    assert torch._dynamo.utils.counters["frames"]["ok"] > seen
    assert list(compiled.values()) == pytest.approx(list(plain.values()), rel=1e-4)
    names = [set(load_file(tmp_path / run / "model" / "unet" / UNET)) for run in ("plain", "compiled")]
    assert names[0] == names[1]
    assert (tmp_path / "compiled" / "samples" / "step-000002.png").is_file()


UNET = "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize("implementation", ["foreach", "loop", "fused"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_every_implementation_of_an_optimizer_steps_alike(optimizer: str, implementation: str) -> None:
    from dreamboot_trainer import optim
    from dreamboot_trainer.config import Optimizer

    def after(wish: str) -> Any:
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 16))
        settings = Optimizer(optimizer=optimizer, optimizer_implementation=wish, learning_rate=0.1)
        built, choice = optim.build([{"params": [weight], "lr": 0.1}], settings, "cpu")
        for _ in range(3):
            weight.grad = weight.detach() * 2
            built.step()
        (group,) = built.param_groups
        return weight.detach(), choice, (group["foreach"], group["fused"])

    mine, choice, used = after(implementation)
    assert implementation in choice.value
    assert used == {"foreach": (True, None), "loop": (False, None), "fused": (None, True)}[implementation]
    assert torch.allclose(mine, after("auto")[0], atol=1e-6)


@pytest.mark.parametrize("workers", [1, 3])
def test_photo_threads_change_nothing(tiny: Path, photos: Path, tmp_path: Path, workers: int) -> None:
    settings = {
        "cache_latents": False, "center_crop": False, "hflip": True, "train_batch_size": 2, "max_train_steps": 5,
        "gradient_accumulation_steps": 2,
    }  # fmt: skip
    alone = losses(train(configure(tiny, photos, **settings), tmp_path / "alone"))
    helped = losses(train(configure(tiny, photos, dataloader_num_workers=workers, **settings), tmp_path / "helped"))
    assert helped == alone


def test_photo_threads_read_ahead(photos: Path) -> None:
    from dreamboot_trainer.data.items import Item
    from dreamboot_trainer.data.photos import list_photos
    from dreamboot_trainer.data.sources import Live

    items = [Item(path=path, prompt="") for path in list_photos(photos).photos]
    live = Live(items, lambda pixels: (pixels, pixels), ((64, 64),), center=False, hflip=False, workers=2)
    names = (0, "instance", 7)
    live.expect([(1, names)])
    waiting = live._ahead[names]
    assert waiting.result(timeout=60)[1].shape == (3, 64, 64)
    assert torch.equal(live.encoded(1, names).mean, waiting.result()[1])
    assert not live._ahead


def test_a_rare_token_starts_from_a_word(photos: Path, tmp_path: Path) -> None:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    settings: dict[str, Any] = {
        "token_initializers": '["fox"]', "instance_prompt": "a photo of sks animal",
        "class_prompt": "a photo of an animal", "max_train_steps": 1, "with_prior_preservation": False,
        "save_precision": "fp32", "learning_rate": 1e-9,
    }  # fmt: skip
    events = train(configure(demo.MODEL_DIR, photos, **settings), tmp_path / "run")
    assert any("'sks' starts from the meaning of 'fox'" in record.get("message", "") for record in events)
    table = load_file(tmp_path / "run" / "model" / "text_encoder" / "model.safetensors")
    weights = table["text_model.embeddings.token_embedding.weight"]
    tokenizer = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    (rare,), (word,) = (tokenizer(text, add_special_tokens=False).input_ids for text in ("sks", "fox"))
    assert torch.equal(weights[rare], weights[word])
    before = load_file(demo.MODEL_DIR / "text_encoder" / "model.safetensors")
    old = next(tensor for name, tensor in before.items() if name.endswith("token_embedding.weight")).float()
    assert weights.shape == old.shape
    assert not torch.equal(old[rare], old[word])
    others = [index for index in range(len(old)) if index != rare]
    assert torch.equal(weights[others], old[others])


def test_a_word_of_several_tokens_is_their_mean() -> None:
    from transformers import CLIPTextConfig, CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from dreamboot_trainer.data.concepts import Subject
    from dreamboot_trainer.families import TextParts
    from dreamboot_trainer.identifiers import initialise

    tokenizer = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    encoder = CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), **small))
    (rare,) = tokenizer("sks", add_special_tokens=False).input_ids
    word = tokenizer("zwxqy", add_special_tokens=False).input_ids
    assert len(word) > 1
    table = encoder.get_input_embeddings().weight
    mean = table[word].mean(0)
    place = Path()
    subject = Subject(index=0, instance_prompt="a sks dog", class_prompt="a dog", instance_dir=place, class_dir=None)
    initialise(TextParts((tokenizer,), (encoder,)), [subject], ["zwxqy"])
    assert torch.equal(table[rare], mean)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"instance_prompt": "a photo of zwxqy animal"}, "token-not-single"),
        ({"token_initializers": '["fox", "cat"]'}, "token-initializers"),
    ],
)
def test_a_token_that_cannot_be_initialised_is_said(
    photos: Path, tmp_path: Path, changes: dict[str, str], name: str
) -> None:
    settings = {
        "token_initializers": '["fox"]', "instance_prompt": "a photo of sks animal",
        "class_prompt": "a photo of an animal",
    }  # fmt: skip
    with pytest.raises(TrainerError) as caught:
        train(configure(demo.MODEL_DIR, photos, **{**settings, **changes}), tmp_path / "run")
    assert caught.value.problem.id == name


def test_wandb_gets_every_step_without_a_network(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(configure(tiny, photos, report_to="wandb", max_train_steps=2), tmp_path / "run")
    written = [path for path in (tmp_path / "run").rglob("*.wandb") if path.stat().st_size]
    assert len(written) == 1
    assert b"gradient_norm" in written[0].read_bytes()
    assert list((tmp_path / "run" / "logs" / "wandb").iterdir())


def test_text_encoder_lora_changes_what_the_encoder_says_as_diffusers_loads_it(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    from diffusers import StableDiffusionPipeline

    settings = {"method": "lora", "train_text_encoder": True, "learning_rate": 1e-2, "save_precision": "fp32"}
    train(configure(tiny, photos, **settings), tmp_path / "run")
    pipeline = StableDiffusionPipeline.from_pretrained(tiny, safety_checker=None, feature_extractor=None)
    ids = torch.arange(77)[None] % 60
    with torch.no_grad():
        before = pipeline.text_encoder(ids)[0].clone()
        pipeline.load_lora_weights(tmp_path / "run" / "model")
        after = pipeline.text_encoder(ids)[0]
    assert not torch.allclose(before, after, atol=1e-4)


def test_dora_trains_sizes_of_its_own(tiny: Path, photos: Path, tmp_path: Path) -> None:
    train(configure(tiny, photos, method="lora", use_dora=True, learning_rate=1e-2), tmp_path / "run")
    names = list(load_file(tmp_path / "run" / "model" / "pytorch_lora_weights.safetensors"))
    assert any("magnitude" in name for name in names)


def test_what_is_not_asked_for_is_not_imported(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """The start is half of a short run: torch's compiler, sympy, peft and bitsandbytes stay out of a plain one."""
    import os
    import subprocess
    import sys

    trainer = Path(__file__).resolve().parents[3] / "trainer"
    code = (
        "import sys; from dreamboot_trainer.cli import main; code = main(sys.argv[1:]);"
        "print([name for name in ('torch._dynamo.convert_frame', 'sympy', 'peft', 'bitsandbytes', 'torch._inductor')"
        " if name in sys.modules]); sys.exit(code)"
    )
    flags = {
        "pretrained_model_name_or_path": tiny, "instance_data_dir": photos, "instance_prompt": "a sks dog",
        "with_prior_preservation": "false", "resolution": 64, "max_train_steps": 1, "num_validation_images": 0,
        "save_original": "false", "device": "cpu", "output_dir": tmp_path / "run",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *(f"--{name}={value}" for name, value in flags.items())],
        env={**os.environ, "PYTHONPATH": str(trainer), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_photos_and_prompts_are_encoded_once(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caches: 3 photos and 3 class images once each, both prompts together once, whatever the number of steps."""
    from dreamboot_trainer.pipeline import Pipeline

    calls: dict[str, int] = {"encode": 0, "embed": 0}

    def counting(name: str) -> Any:
        original = getattr(Pipeline, name)

        def counted(self: Pipeline, *arguments: Any) -> Any:
            calls[name] += 1
            return original(self, *arguments)

        return counted

    for name in calls:
        monkeypatch.setattr(Pipeline, name, counting(name))
    for steps in (2, 6):
        calls.update(encode=0, embed=0)
        run = tmp_path / str(steps)
        train(configure(tiny, photos, max_train_steps=steps, class_data_dir=tmp_path / "class"), run)
        assert calls["encode"] == 6
        assert calls["embed"] <= 3  # once for training; at first twice more to draw the class images
    calls.update(encode=0, embed=0)
    train(configure(tiny, photos, max_train_steps=6, cache_latents=False, num_class_images=3), tmp_path / "live")
    assert calls["encode"] == 12


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("constant_with_warmup", [0, 0.5, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 2 / 3, 1 / 3]),
        ("cosine", [0, 0.5, 1, 0.75, 0.25]),
        ("cosine_with_restarts", [0, 0.5, 1, 0.25, 0.75]),
        ("polynomial", [0, 0.5, 1, 4 / 9, 1 / 9]),
    ],
)
def test_every_schedule_takes_its_course(name: str, expected: list[float]) -> None:
    from dreamboot_trainer import optim
    from dreamboot_trainer.config import Optimizer

    weight = torch.nn.Parameter(torch.zeros(1))
    settings = Optimizer(lr_scheduler=name, lr_warmup_steps=2, learning_rate=1.0, lr_num_cycles=2, lr_power=2.0)
    built, _ = optim.build([{"params": [weight], "lr": 1.0}], settings, "cpu")
    schedule = optim.schedule(built, settings, 5)
    found = []
    for _ in range(5):
        found.append(schedule.get_last_lr()[0])
        built.step()
        schedule.step()
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_rate_is_scaled_by_what_a_step_sees(tiny: Path, photos: Path, tmp_path: Path) -> None:
    settings = {"scale_lr": True, "train_batch_size": 2, "gradient_accumulation_steps": 3, "max_train_steps": 1}
    events = train(configure(tiny, photos, learning_rate=1e-5, **settings), tmp_path / "run")
    rates = [r["data"]["learning_rate"] for r in events if r["event"] == "progress" and r["stage"] == "train"]
    assert rates == pytest.approx([6e-5])


def test_samples_show_the_validation_prompts_against_the_negative_one(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamboot_trainer import sample

    rows: list[tuple[int, tuple[str, ...]]] = []
    draw = sample.draw_grid
    monkeypatch.setattr(
        sample,
        "draw_grid",
        lambda pictures, labels, title: rows.append((len(pictures[0]), tuple(labels))) or draw(pictures, labels, title),
    )
    settings = {"validation_prompts": '["a sks dog at sea", "a cat"]', "num_validation_images": 2, "max_train_steps": 1}
    train(configure(tiny, photos, **settings), tmp_path / "plain")
    assert rows == [(2, ("a sks dog at sea", "a cat"))] * 2
    train(configure(tiny, photos, negative_prompt="rain", **settings), tmp_path / "other")
    grids = [(tmp_path / name / "samples" / "step-000000.png").read_bytes() for name in ("plain", "other")]
    assert grids[0] != grids[1]


def test_a_checkpoint_file_takes_its_tokenizer_from_another_folder(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from dreamboot_trainer.convert import to_original

    to_original(tiny, tmp_path / "model.safetensors")
    config = configure(
        tmp_path / "model.safetensors",
        photos,
        tokenizer_name=tiny / "tokenizer",
        max_train_steps=1,
        save_precision="fp32",
    )
    train(config, tmp_path / "run")
    merges = Path("tokenizer") / "merges.txt"
    assert (tmp_path / "run" / "model" / merges).read_text() == (tiny / merges).read_text()
