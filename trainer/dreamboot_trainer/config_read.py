"""config.toml, `--set key=value` and flags become one checked Config."""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import SCHEMA, SECTIONS, Concept, Config, Key, keys, keys_of
from dreamboot_trainer.config_values import parse_value, toml_value
from dreamboot_trainer.problems import Problem, TrainerError
from dreamboot_trainer.rates import with_rate
from dreamboot_trainer.recipes import recipes
from dreamboot_trainer.texts import unusable
from dreamboot_trainer.unknown_key import Way, nearest_section, unknown_key, unknown_section

Table = dict[str, dict[str, Any]]


def read(path: Path | None, overrides: Iterable[str] = (), recipe: str = "", flags: Iterable[str] = ()) -> Config:
    """The Config from a file (or all defaults) and `key=value` texts; TrainerError lists every fault found.

    A recipe's settings win over the file's, which may hold every key, and the texts' win over both; `flags` are texts
    that were typed as flags, and win over the others. Relative paths in a file are relative to the file's folder; those
    in texts to the working directory.
    The learning rate is the number that is used, also where none was given, so that every record of the run holds it.
    """
    faults: list[Problem] = []
    table = _load(path) if path else {}
    if path:
        _anchor(table, path.resolve().parent)
    if recipe:
        _over(table, _load(_recipe(recipe)))
    for way, texts in ((Way.SET, overrides), (Way.FLAG, flags)):
        for text in texts:
            _override(table, text, faults, way)
    config = build(table, faults)
    if faults:
        raise TrainerError(*faults)
    return with_rate(config)


def build(table: Mapping[str, Any], faults: list[Problem]) -> Config:
    """A Config from section -> key -> value; faults are added to the list."""
    parts: dict[str, Any] = {}
    for section, content in table.items():
        if section == "schema":
            if content != SCHEMA:
                faults.append(_schema_fault(content))
        elif section not in SECTIONS:
            faults += _homeless(section, content)
        elif not isinstance(content, Mapping):
            faults.append(_wrong(section, "a table", content))
        else:
            parts[section] = _part(section, SECTIONS[section], content, faults)
    return Config(**{name: parts.get(name) or cls() for name, cls in SECTIONS.items()})


def dump(config: Config) -> str:
    """The whole Config as TOML text, every key with its help; `read` of it gives the same Config."""
    lines = [f"schema = {SCHEMA}"]
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        lines += ["", f"[{section}]"]
        plain = [key for key in keys_of(section, cls) if key.name != "concepts"]
        for key in plain:
            value = getattr(part, key.name)
            lines += [f"# {key.help}", f"{key.name} = {toml_value(value)}"]
        if section == "data":
            for concept in part.concepts:
                lines += ["", "[[data.concepts]]"]
                lines += [f"{name} = {toml_value(value)}" for name, value in dataclasses.asdict(concept).items()]
    return "\n".join(lines) + "\n"


def absolute(config: Config, folder: Path) -> Config:
    """The same Config with every relative path made absolute from `folder`, so that its text means the same anywhere.

    A model's name stays as it is unless it is a path there.
    """
    table = dataclasses.asdict(config)
    table["data"]["concepts"] = list(table["data"]["concepts"])
    for part in (*table.values(), *table["data"]["concepts"]):
        for name in PATHS:
            if part.get(name) and part[name] != "demo":
                part[name] = str(folder / Path(part[name]).expanduser())
        for name in MODEL_PATHS:
            if part.get(name) and (folder / Path(part[name]).expanduser()).exists():
                part[name] = str(folder / Path(part[name]).expanduser())
    parts = {section: cls(**table[section]) for section, cls in SECTIONS.items() if section != "data"}
    concepts = tuple(Concept(**concept) for concept in table["data"].pop("concepts"))
    return Config(**parts, data=SECTIONS["data"](**table["data"], concepts=concepts))


def markdown() -> str:
    """The schema as tables, one per section."""
    lines: list[str] = []
    for section, cls in SECTIONS.items():
        about = (cls.__doc__ or "").split("\n")[0]
        lines += [f"### [{section}]", "", about, "", "| key | default | meaning |", "|---|---|---|"]
        for key in keys_of(section, cls):
            choices = f" One of {', '.join(key.choices)}." if key.choices else ""
            lines.append(f"| `{key.name}` | `{toml_value(key.default)}` | {key.help}{choices} |")
        lines.append("")
    return "\n".join(lines)


def _load(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: dict[str, Any] = tomllib.loads(_decoded(path.read_bytes()))
        return table
    except OSError as error:
        raise TrainerError(
            Problem(
                id="config-unreadable",
                what=f"The configuration {path} cannot be read.",
                cause=f"Expected a TOML file; found: {error.strerror or error}.",
                hint="dreamboot train --help   (every setting is also a flag)",
            )
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrainerError(
            Problem(
                id="config-not-toml",
                what=f"The configuration {path} is not valid TOML.",
                cause=f"{error}.",
                hint="Text values need quotes, and a Windows path needs 'single quotes' or doubled backslashes.",
            )
        ) from error


def _decoded(content: bytes) -> str:
    """UTF-8, also with the mark that Windows' editor writes, or the UTF-16 that its shell's `>` writes."""
    return content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")


def _recipe(name: str) -> Path:
    known = recipes()
    if name not in known:
        raise TrainerError(_wrong("recipe", "one of " + ", ".join(known), name))
    return known[name]


def _over(table: dict[str, Any], recipe: Mapping[str, Any]) -> None:
    """Put what the recipe says in place of what the table does."""
    for section, content in recipe.items():
        own = table.setdefault(section, {})
        if isinstance(own, dict):
            own.update(content)


PATHS = ("instance_data_dir", "class_data_dir", "concepts_list", "output_dir")
MODEL_PATHS = ("pretrained_model_name_or_path", "pretrained_vae_name_or_path", "tokenizer_name")


def _anchor(table: dict[str, Any], folder: Path) -> None:
    """Make the file's relative paths absolute. A model name that is no path beside the file stays as it is."""
    data = table.get("data")
    concepts = data.get("concepts", []) if isinstance(data, dict) else []
    parts = [
        part for part in (*table.values(), *(concepts if isinstance(concepts, list) else [])) if isinstance(part, dict)
    ]
    for part in parts:
        for name in PATHS:
            if isinstance(part.get(name), str) and part[name] not in ("", "demo"):
                part[name] = str(folder / part[name])
        for name in MODEL_PATHS:
            if isinstance(part.get(name), str) and part[name] and (folder / part[name]).exists():
                part[name] = str(folder / part[name])


def _override(table: dict[str, Any], text: str, faults: list[Problem], way: Way) -> None:
    name, equals, value = text.partition("=")
    name = name.strip()
    found = [key for key in keys() if name in (key.name, key.dotted)]
    if not equals or not name:
        faults.append(_wrong("--set", "key=value", text))
    elif not found:
        faults.append(unknown_key(name, value, way, keys(), "key"))
    else:
        section = table.setdefault(found[0].section, {})
        section[found[0].name] = parse_value(found[0], value)


def _part(section: str, cls: type[Any], content: Mapping[str, Any], faults: list[Problem]) -> Any:
    known = {key.name: key for key in keys_of(section, cls)}
    values = {}
    for name, value in content.items():
        if name not in known:
            faults.append(unknown_key(name, value, Way.FILE, _with_sections(known), f"key in [{section}]"))
            continue
        before = len(faults)
        checked = _value(known[name], value, faults)
        if len(faults) == before:
            values[name] = checked
    return cls(**values)


def _with_sections(own: Mapping[str, Key]) -> list[Key]:
    """Keys of this section first, then those of the others, so that a key in a wrong section is recognised."""
    return [*own.values(), *(key for key in keys() if key.name not in own)]


def _homeless(name: str, content: object) -> list[Problem]:
    """A section that is none, with the keys in it that belong elsewhere, or a key outside of a section.

    Other trainers' files have other sections or none: all that is to be written otherwise is said at once.
    """
    if not isinstance(content, Mapping):
        return [unknown_key(name, content, Way.FILE, keys(), "key outside of a section")]
    near = nearest_section(name, list(SECTIONS))
    meant = {key.name for key in keys() if key.section == near}
    others = ((key, value) for key, value in content.items() if key not in meant)
    inside = [unknown_key(key, value, Way.FILE, keys(), f"key in [{name}]") for key, value in others]
    return [unknown_section(name, list(SECTIONS)), *inside]


def _value(key: Key, value: Any, faults: list[Problem]) -> Any:
    if key.type.startswith("tuple[Concept"):
        return _concepts(key, value, faults)
    if key.type.startswith("tuple[str"):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            faults += _text_faults(key, value)
            return tuple(value)
        faults.append(_wrong(key.dotted, "a list of texts", value))
        return value
    if key.type == "float" and type(value) is int:
        value = float(value)
    if type(value).__name__ != key.type:
        said = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text in quotes"}
        faults.append(_wrong(key.dotted, said[key.type], value))
    elif key.type == "float" and not math.isfinite(value):
        faults.append(_wrong(key.dotted, "a finite number", value))
    elif key.choices and value not in key.choices:
        near = difflib.get_close_matches(str(value), key.choices, n=1)
        faults.append(
            _wrong(key.dotted, "one of " + ", ".join(key.choices), value, near[0] if near else key.choices[0])
        )
    elif key.at_least is not None and not value >= key.at_least:
        faults.append(_wrong(key.dotted, f"a number of at least {key.at_least:g}", value))
    elif key.at_most is not None and not value <= key.at_most:
        faults.append(_wrong(key.dotted, f"a number of at most {key.at_most:,.0f}", value))
    elif key.above is not None and not value > key.above:
        faults.append(_wrong(key.dotted, f"a number above {key.above:g}", value))
    elif key.below is not None and not value < key.below:
        faults.append(_wrong(key.dotted, f"a number below {key.below:g}", value))
    elif key.type == "str":
        faults += _text_faults(key, [value])
    return value


def _text_faults(key: Key, texts: Iterable[str]) -> list[Problem]:
    path = key.name in (*PATHS, *MODEL_PATHS)
    reasons = [reason for text in texts if (reason := unusable(text, path=path))]
    expected = "a path that can be looked up, in UTF-8" if path else "a text in UTF-8"
    return [_wrong(key.dotted, expected, reason) for reason in reasons[:1]]


def _concepts(key: Key, value: Any, faults: list[Problem]) -> tuple[Concept, ...]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        faults.append(_wrong(key.dotted, "[[data.concepts]] tables", value))
        return ()
    return tuple(_part("data.concepts", Concept, item, faults) for item in value)


def _wrong(name: str, expected: str, found: object, example: str = "") -> Problem:
    return Problem(
        id="config-wrong-value",
        what=f"The configuration has a wrong value for {name}.",
        cause=f"Expected {expected}; found {found!r}.",
        hint=f"--set {name.rpartition('.')[2]}={example}" if example else f"Correct {name}, then run again.",
    )


def _schema_fault(found: object) -> Problem:
    return Problem(
        id="config-schema",
        what="The configuration was written for another version of dreamboot.",
        cause=f"Expected schema = {SCHEMA}; found {found!r}.",
        hint=f"Write schema = {SCHEMA} in it; then the same command names every key that is another one now.",
    )
