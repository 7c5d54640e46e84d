"""What a training in a container reads and writes: every file and folder is mounted where it lies here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from dreamboot.host.base import Host
from dreamboot.values import parse_toml

# Settings of the trainer that name files or folders of this machine; those of models may be names of the hub too.
LIST = "concepts_list"
FOLDERS = ("instance_data_dir", "class_data_dir", "output_dir")
PATHS = (*FOLDERS, LIST, "pretrained_model_name_or_path", "pretrained_vae_name_or_path", "tokenizer_name")


def absolute_settings(host: Host, settings: Sequence[str]) -> Tuple[str, ...]:
    """The same settings with whole paths: the container works in another folder."""
    found = []
    for setting in settings:
        key, equals, text = setting.partition("=")
        name = key.rpartition(".")[2].strip()
        path = Path(text).expanduser()
        named = bool(text) and name in PATHS and (name in FOLDERS or host.exists(path))
        found.append(f"{key}{equals}{path.absolute()}" if named and text != "demo" else setting)
    return tuple(found)


def mounts_for(
    host: Host, config: Optional[Path], settings: Sequence[str], folder: Path
) -> Tuple[Tuple[str, bool], ...]:
    """(path, writable) of everything that the run names and that is here. `folder`, the run's own, is made for it."""
    named = [(key.rpartition(".")[2].strip(), text) for key, _, text in (each.partition("=") for each in settings)]
    if config is not None:
        base = config.absolute().parent
        named += [(key, str(base / Path(text).expanduser())) for key, text in _paths(_toml(host, config))]
    for name, text in tuple(named):
        if name == LIST and text:
            named += _paths(_json(host, Path(text).expanduser()))
    paths = [Path(text).expanduser().absolute() for name, text in named if name in PATHS and text]
    found = {str(path): False for path in paths if host.exists(path)}
    if config is not None:
        found[str(config.absolute().parent)] = False
    found[str(folder)] = True
    return tuple(found.items())


def _paths(content: Any) -> Iterator[Tuple[str, str]]:
    """Names and values of paths in a configuration or a list of concepts, at any depth."""
    if isinstance(content, dict):
        entries: Dict[str, Any] = content
        for key, part in entries.items():
            if isinstance(part, str):
                if key in PATHS and part:
                    yield key, part
            else:
                yield from _paths(part)
    elif isinstance(content, list):
        for part in content:
            yield from _paths(part)


def _toml(host: Host, path: Path) -> Any:
    try:
        return parse_toml(_read(host, path))
    except ValueError:
        return None  # the trainer says what is wrong with it


def _json(host: Host, path: Path) -> Any:
    try:
        return json.loads(_read(host, path) or "null")
    except (ValueError, RecursionError):
        return None


def _read(host: Host, path: Path) -> str:
    return (host.read_text(path) or "").lstrip("\ufeff")


def mount(source: Path, target: str, *, writable: bool) -> str:
    """The value of `--mount`. Engines read it as a row of CSV, so a path with a comma is put in quotes."""
    fields = ("type=bind", f"source={source}", f"target={target}", *(() if writable else ("readonly",)))
    quoted = ('"{}"'.format(field.replace('"', '""')) if re.search('[,"]', field) else field for field in fields)
    return ",".join(quoted)
