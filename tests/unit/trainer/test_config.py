"""The schema: parsing, defaults, faults that name the nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot_trainer.config import SECTIONS, Config, keys
from dreamboot_trainer.config_read import dump, read
from dreamboot_trainer.problems import TrainerError
from dreamboot_trainer.rates import with_rate


def faults(*overrides: str, toml: str | None = None, folder: Path | None = None) -> list[str]:
    path = None
    if toml is not None and folder is not None:
        path = folder / "config.toml"
        path.write_text(toml, encoding="utf-8")
    with pytest.raises(TrainerError) as caught:
        read(path, overrides)
    return [f"{problem.id}: {problem.what} {problem.cause} {problem.hint}" for problem in caught.value.problems]


def test_every_key_has_help_and_a_name_of_its_own() -> None:
    names = [key.name for key in keys()]
    assert len(names) == len(set(names))
    assert all(key.help.endswith(".") for key in keys())
    assert {key.section for key in keys()} == set(SECTIONS)


def test_defaults_survive_a_round_trip_through_toml(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(dump(Config()), encoding="utf-8")
    assert read(path) == with_rate(Config())


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ("", 5e-6),
        ("method=lora", 1e-4),
        ("optimizer=prodigy", 1),
        ("method=lora optimizer=prodigy", 1),
        ("method=lora learning_rate=3e-6", 3e-6),
        ("method=lora learning_rate=0", 1e-4),
        ("optimizer=prodigy learning_rate=0.5", 0.5),
    ],
)
def test_the_learning_rate_is_by_method_where_none_is_given(tmp_path: Path, settings: str, rate: float) -> None:
    config = read(None, settings.split())
    assert config.optimizer.learning_rate == rate
    path = tmp_path / "config.toml"
    path.write_text(dump(config), encoding="utf-8")
    assert f"\nlearning_rate = {float(rate)}\n" in path.read_text(encoding="utf-8")
    assert read(path, ["method=full"]).optimizer.learning_rate == rate, "what a file says is what is used"


def test_a_recipe_s_rate_wins_over_the_one_by_method() -> None:
    assert read(None, ["method=lora"], "face").optimizer.learning_rate == 1e-6
    assert read(None, ["method=lora"], "small-card").optimizer.learning_rate == 1e-4


def test_changed_values_survive_a_round_trip(tmp_path: Path) -> None:
    config = read(None, ["learning_rate=2e-6", 'validation_prompts=["a \\"quoted\\" dog", "ü"]', "hflip=true"])
    path = tmp_path / "config.toml"
    path.write_text(dump(config), encoding="utf-8")
    again = read(path)
    assert again.optimizer.learning_rate == 2e-6
    assert again.sampling.validation_prompts == ('a "quoted" dog', "ü")
    assert again.data.hflip is True


def test_concepts_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[[data.concepts]]\ninstance_prompt = "a"\ninstance_data_dir = "/x"\n', encoding="utf-8")
    config = read(path)
    path.write_text(dump(config), encoding="utf-8")
    assert read(path) == config
    assert config.data.concepts[0].instance_prompt == "a"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[data]\ninstance_data_dir = "photos"\n', encoding="utf-8")
    assert Path(read(path).data.instance_data_dir) == tmp_path / "photos"


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[training]\nmax_train_steps = 5\n", encoding="utf-8")
    assert read(path, ["training.max_train_steps=7"]).training.max_train_steps == 7


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("learing_rate=1", "Write --set learning_rate=1 in place of learing_rate."),
        ("use_8bit_adam=true", "--set optimizer=adamw8bit"),
        ("train_batch_size=0", "at least 1"),
        ("train_batch_size=many", "a whole number"),
        ("learning_rate=-1", "at least 0"),
        ("hflip=perhaps", "true or false"),
        ("optimizer=adamw8bits", "--set optimizer=adamw8bit"),
        ("resolution", "key=value"),
        ("=3", "key=value"),
        ("learning_rate=inf", "finite"),
        ("adam_beta1=nan", "finite"),
        ("qqqq=1", "dreamboot train --help"),
    ],
)
def test_a_wrong_override_is_explained(override: str, expected: str) -> None:
    assert expected in faults(override)[0]


def test_a_key_in_a_wrong_section_is_sent_home(tmp_path: Path) -> None:
    found = faults(toml="[training]\nlearning_rate = 1.0\n", folder=tmp_path)
    assert "Write learning_rate = 1.0 in section [optimizer]." in found[0]


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    assert len(faults("hflip=2", toml="[modell]\n[data]\nhflipp = true\nresolution = 'x'\n", folder=tmp_path)) == 4


@pytest.mark.parametrize(("text", "name"), [("a = ", "config-not-toml"), ("schema = 9", "config-schema")])
def test_unusable_files(tmp_path: Path, text: str, name: str) -> None:
    assert faults(toml=text, folder=tmp_path)[0].startswith(name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        read(tmp_path / "none.toml")
    assert caught.value.problem.id == "config-unreadable"


def test_the_documentation_lists_every_key_as_it_is() -> None:
    from dreamboot_trainer.config_read import markdown

    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "trainer.md").read_text(encoding="utf-8")
    written = page.partition("schema --markdown` -->\n")[2].partition("<!-- end of keys -->")[0]
    assert written == markdown(), "python -m dreamboot_trainer schema --markdown"


@pytest.mark.parametrize("name", ["face", "flux", "object", "paper", "sd3", "small-card", "style"])
def test_a_recipe_fits_the_schema_and_names_its_source(name: str) -> None:
    from dreamboot_trainer.recipes import recipes

    assert "ource" in recipes()[name].read_text().split("[")[0] or "paper" in recipes()[name].read_text().split("[")[0]
    assert read(None, recipe=name) != read(None)


# What the sources that each recipe names have published.
PUBLISHED = {
    "face": ("max_train_steps=1200 train_batch_size=2 learning_rate=1e-6 train_text_encoder=true "
             "with_prior_preservation=true"),
    "object": "max_train_steps=400 train_batch_size=4 learning_rate=2e-6 with_prior_preservation=false",
    "paper": ("max_train_steps=1000 train_batch_size=1 learning_rate=5e-6 prior_loss_weight=1 num_class_images=1000 "
              "with_prior_preservation=true"),
    "style": "learning_rate=1.7e-6 max_train_steps=8000 train_batch_size=1 captions=true with_prior_preservation=false",
    "small-card": ("optimizer=adamw8bit gradient_checkpointing=true train_batch_size=1 gradient_accumulation_steps=1 "
                   "cache_latents=true"),
    "flux": ("method=lora base_precision=nf4 optimizer=adamw8bit learning_rate=1e-4 gradient_accumulation_steps=4 "
             "max_train_steps=500 resolution=512 told_guidance=1 guidance_scale=3.5 gradient_checkpointing=true"),
    "sd3": ("method=lora learning_rate=4e-4 gradient_accumulation_steps=4 max_train_steps=500 resolution=512 "
            "guidance_scale=7"),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_published_numbers(name: str) -> None:
    """A recipe is what it is without the settings, and nothing changes when they are given on top of it."""
    assert read(None, PUBLISHED[name].split(), name) == read(None, recipe=name)


def test_every_recipe_is_tested() -> None:
    from dreamboot_trainer.recipes import recipes

    assert list(recipes()) == ["face", "flux", "object", "paper", "sd3", "small-card", "style"] == sorted(PUBLISHED)


def test_the_recipe_wins_over_the_file_and_the_flag_over_both(tmp_path: Path) -> None:
    """A run's own file holds every key: a recipe that is asked for would say nothing under it."""
    path = tmp_path / "config.toml"
    path.write_text("[training]\nmax_train_steps = 5\nseed = 7\n", encoding="utf-8")
    config = read(path, ["train_batch_size=3"], "face")
    assert (config.training.max_train_steps, config.training.seed, config.training.train_batch_size) == (1200, 7, 3)
    assert config.optimizer.learning_rate == 1e-6
    with pytest.raises(TrainerError):
        read(None, recipe="cake")


@pytest.mark.parametrize(
    "setting",
    [
        "resolution=80000", "max_train_steps=1000000000000000", "train_batch_size=1000000",
        "num_class_images=1000000000", "seed=99999999999999999999", "train_batch_size=0", "num_inference_steps=5000",
        "max_train_steps=-1",
    ],
)  # fmt: skip
def test_a_slip_of_the_keyboard_is_told_before_anything_is_loaded(setting):
    with pytest.raises(TrainerError) as caught:
        read(None, [setting])
    name, _, found = setting.partition("=")
    assert caught.value.problem.id == "config-wrong-value"
    assert name in caught.value.problem.what and found in caught.value.problem.cause
