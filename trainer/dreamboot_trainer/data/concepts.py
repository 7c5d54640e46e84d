"""Which concepts a run teaches, from whichever way the configuration names them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from dreamboot_trainer import hub
from dreamboot_trainer.config import DEMO, Concept, Config
from dreamboot_trainer.problems import Problem, TrainerError
from dreamboot_trainer.shell import quoted
from dreamboot_trainer.texts import unusable


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One concept with its folders: `class_dir` is None without prior preservation."""

    index: int
    instance_prompt: str
    class_prompt: str
    instance_dir: Path
    class_dir: Path | None


def subjects(config: Config, run: Path) -> tuple[Subject, ...]:
    """The concepts of the run. TrainerError where a prompt or a folder is missing."""
    concepts = _concepts(config)
    # One concept has the whole folder, several have numbered ones.
    places = (
        [run / "class_images"]
        if len(concepts) == 1
        else [run / "class_images" / f"{i:02d}" for i in range(len(concepts))]
    )
    found = tuple(_subject(config, concept, index, places[index]) for index, concept in enumerate(concepts))
    if not found:
        raise TrainerError(
            _problem("No concept is named.", "at least one concept", "an empty list", "--set instance_data_dir=FOLDER")
        )
    return found


def model_path(config: Config) -> Path:
    """Where the pretrained model lies; the word `demo` is the built-in one unless such a folder exists.

    TrainerError for a hub's model that is not in the local cache: only hub.fetch downloads.
    """
    name = config.model.pretrained_model_name_or_path
    if name == DEMO and not Path(name).exists():
        from dreamboot_trainer import demo

        return Path(demo.MODEL_DIR)
    if hub.is_name(name):
        return hub.require_cached(name, config.model.revision)
    return Path(name).expanduser()


def _concepts(config: Config) -> tuple[Concept, ...]:
    if config.data.concepts_list:
        return read_concepts_list(Path(config.data.concepts_list))
    if config.data.concepts:
        return config.data.concepts
    data = config.data
    return (Concept(**{field.name: getattr(data, field.name) for field in fields(Concept)}),)


def read_concepts_list(path: Path) -> tuple[Concept, ...]:
    """A JSON array of objects with instance_prompt, class_prompt, instance_data_dir and class_data_dir, read as it is.

    Relative folders are relative to the working directory, as for the scripts that this format comes from.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainerError(
            _problem(
                f"The concepts list {path} cannot be read.",
                "a JSON file",
                str(error),
                f"python -m json.tool {quoted(path)}",
            )
        ) from error
    names = {field.name for field in fields(Concept)}
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TrainerError(
            _problem(
                f"The concepts list {path} has another form.",
                "an array of objects",
                type(rows).__name__,
                f"python -m json.tool {quoted(path)}",
            )
        )
    for row in rows:
        wrong = sorted(set(row) - names) or sorted(name for name, value in row.items() if not isinstance(value, str))
        if wrong:
            raise TrainerError(
                _problem(
                    f"The concepts list {path} has an entry that is not understood.",
                    ", ".join(sorted(names)),
                    ", ".join(wrong),
                    f"Correct {wrong[0]} in {path}.",
                )
            )
        reasons = [unusable(value, path=name.endswith("_dir")) for name, value in row.items()]
        if any(reasons):
            raise TrainerError(
                _problem(
                    f"The concepts list {path} has an entry that cannot be used.",
                    "texts in UTF-8 and folders that can be looked up",
                    next(reason for reason in reasons if reason),
                    f"Correct it in {path}.",
                )
            )
    return tuple(Concept(**row) for row in rows)


def _subject(config: Config, concept: Concept, index: int, generated: Path) -> Subject:
    instance_dir, instance_prompt, class_prompt = (
        concept.instance_data_dir,
        concept.instance_prompt,
        concept.class_prompt,
    )
    if instance_dir == DEMO and not Path(DEMO).exists():
        from dreamboot_trainer import demo

        instance_dir = str(demo.PHOTOS_DIR)
        instance_prompt = instance_prompt or demo.INSTANCE_PROMPT
        class_prompt = class_prompt or demo.CLASS_PROMPT
    place = f"concept {index + 1}" if index else "the concept"
    if not instance_dir:
        raise TrainerError(
            _problem(
                f"No photo folder is named for {place}.",
                "instance_data_dir",
                "nothing",
                "--set instance_data_dir=FOLDER",
            )
        )
    if not instance_prompt:
        raise TrainerError(
            _problem(
                f"No prompt is given for {place}.",
                "instance_prompt",
                "nothing",
                "--set 'instance_prompt=a photo of sks dog'",
            )
        )
    class_dir = None
    if config.prior.with_prior_preservation:
        if not class_prompt:
            raise TrainerError(
                _problem(
                    f"Prior preservation needs the class of {place}.",
                    "class_prompt",
                    "nothing",
                    "--set 'class_prompt=a photo of a dog'",
                )
            )
        class_dir = Path(concept.class_data_dir).expanduser() if concept.class_data_dir else generated
    return Subject(
        index=index,
        instance_prompt=instance_prompt,
        class_prompt=class_prompt,
        instance_dir=Path(instance_dir).expanduser(),
        class_dir=class_dir,
    )


def _problem(what: str, expected: str, found: str, hint: str) -> Problem:
    return Problem(id="concept-incomplete", what=what, cause=f"Expected {expected}; found {found}.", hint=hint)
