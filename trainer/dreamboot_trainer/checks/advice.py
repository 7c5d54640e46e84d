"""Advice on words, photos and steps: notes that stop nothing, each with where its number comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.config import DEMO, Config, Lora
from dreamboot_trainer.data.concepts import Subject
from dreamboot_trainer.data.photos import list_photos
from dreamboot_trainer.rates import HIGH_FOR_FULL, LOW_FOR_ADAPTER, usual_rate

_FEW = 3
"""The DreamBooth paper trains on 3 to 6 photos."""
_PASSES = (30, 500)
"""Times that each photo is seen. Published recipes lie between about 80 (the seed's: 800 steps for 10 or more photos)
and 400 (object, Hugging Face's blog of 2022: 400 steps of batch 4 for 4 to 5 photos)."""


def advise(config: Config, subjects: Sequence[Subject]) -> Checked:
    """Notes on every concept. `config` has its final number of steps."""
    notes: list[str] = []
    counts = [len(list_photos(subject.instance_dir).photos) for subject in subjects]
    for subject, count in zip(subjects, counts, strict=True):
        notes += _words(subject)
        if 0 < count < _FEW:
            notes.append(f"{count} photo(s) of '{subject.instance_prompt}' are few; 5 to 30 are usual, 3 the least.")
    return Checked(notes=(*notes, *_steps(config, sum(counts)), *_rate(config), *_adapter(config)))


def _adapter(config: Config) -> list[str]:
    """An adapter's settings where none is trained: the method was likely forgotten."""
    if config.training.method == "lora":
        return []
    usual = Lora()
    told = [f.name for f in fields(Lora) if getattr(config.lora, f.name) != getattr(usual, f.name)]
    return [f"{', '.join(told)} changes nothing: all weights are trained. An adapter: --method lora"] if told else []


def _words(subject: Subject) -> list[str]:
    """The class is one plain noun that both prompts have."""
    if not subject.class_prompt:
        return []
    noun = subject.class_prompt.split()[-1].strip(".,").lower()
    own = subject.instance_prompt.lower().replace(",", " ").replace(".", " ").split()
    notes = []
    if noun not in own:
        notes.append(
            f"'{subject.instance_prompt}' does not name the class '{noun}': with the right class noun the likeness "
            "(DINO) was 0.74, without one 0.30 (DreamBooth paper, table 4)."
        )
    if own == subject.class_prompt.lower().replace(",", " ").replace(".", " ").split():
        notes.append(f"'{subject.instance_prompt}' has no word of its own for the subject, such as sks.")
    return notes


def _steps(config: Config, photos: int) -> list[str]:
    training = config.training
    if not photos:
        return []
    passes = training.max_train_steps * training.train_batch_size * training.gradient_accumulation_steps / photos
    said = f"{training.max_train_steps} steps show each of {photos} photos {passes:.0f} times"
    if passes > _PASSES[1]:
        return [f"{said}: beyond {_PASSES[1]} overfitting is likely. --save_interval 100 keeps models to pick from."]
    if passes < _PASSES[0]:
        return [f"{said}: below {_PASSES[0]} little is learnt. 100 to 200 are usual."]
    return []


def _rate(config: Config) -> list[str]:
    """A rate that is one of the other method. The demo's model is far smaller than those that the numbers are of."""
    rate, method = config.optimizer.learning_rate, config.training.method
    rescaled = config.optimizer.optimizer in ("prodigy", "sgd", "adafactor")
    if rescaled or config.model.pretrained_model_name_or_path == DEMO:
        return []
    usual = usual_rate(method, config.optimizer.optimizer)
    way_out = f"Usual: --set learning_rate={usual:g}"
    if method == "lora" and rate < LOW_FOR_ADAPTER:
        said = f"learning_rate = {rate:g} is low for an adapter, which learns next to nothing by it."
        return [f"{said} {way_out} (diffusers' train_dreambooth_lora scripts)."]
    if method == "full" and rate > HIGH_FOR_FULL:
        said = f"learning_rate = {rate:g} is high for all weights, which soon forget what they knew."
        return [f"{said} {way_out} (DreamBooth paper, arXiv 2208.12242)."]
    return []
