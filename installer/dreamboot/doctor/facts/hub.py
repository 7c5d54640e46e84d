"""The hub's cache and accelerate's configuration, which every environment of a user shares."""

# ruff: noqa: PTH110, PTH111, PTH112, PTH113, PTH114, PTH118, PTH120 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import AccelerateConfig, Hub
from dreamboot.host import Host

REPOSITORIES = 300
# Repositories whose licence must be accepted first (by the beginning of their folder's name in the cache).
GATED = (
    "models--black-forest-labs--FLUX.1-dev",
    "models--black-forest-labs--FLUX.2",
    "models--stabilityai--stable-diffusion-3",
    "models--google--gemma",
)


def home_of(environ: Mapping[str, str]) -> str:
    """HF_HOME, else the hub's default."""
    if environ.get("HF_HOME"):
        return os.path.expanduser(environ["HF_HOME"])
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(
        environ.get("HOME") or environ.get("USERPROFILE", ""), ".cache"
    )
    return os.path.join(cache, "huggingface")


def hub(environ: Mapping[str, str], host: Host) -> Hub:
    """The state of the hub's folder and of its first few hundred repositories."""
    from pathlib import Path

    home = home_of(environ)
    cache = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    incomplete: List[str] = []
    broken: List[str] = []
    gated: List[str] = []
    for name in [one for one in files.names(cache) if one.startswith(("models--", "datasets--"))][:REPOSITORIES]:
        folder = os.path.join(cache, name)
        incomplete += [
            os.path.join(folder, "blobs", blob)
            for blob in files.names(os.path.join(folder, "blobs"))
            if blob.endswith(".incomplete")
        ]
        broken += _broken(os.path.join(folder, "snapshots"))
        if name.startswith(GATED):
            gated.append(name)
    free = host.disk_free(Path(home))
    return Hub(
        home=home,
        exists=os.path.isdir(home),
        writable=not _blocked(home) and host.writable(Path(home)),
        free_mib=free[0] // 2**20 if free else None,
        incomplete=tuple(incomplete),
        broken=tuple(broken),
        token=bool(environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN"))
        or os.path.isfile(os.path.join(home, "token")),
        gated=tuple(gated),
    )


def _blocked(home: str) -> bool:
    """Whether a file stands where the folder or one of its parents should be."""
    path = home
    while path and not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return bool(path) and not os.path.isdir(path)


def _broken(folder: str) -> List[str]:
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.islink(path) and not os.path.exists(path):
                found.append(path)
    return found


def accelerate_config(environ: Mapping[str, str]) -> AccelerateConfig:
    """The file that `accelerate launch` reads when it is given none."""
    folder = os.path.join(home_of(environ), "accelerate")
    for name in ("default_config.yaml", "default_config.yml", "default_config.json"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return _parsed(path)
    return AccelerateConfig(path=os.path.join(folder, "default_config.yaml"))


def _parsed(path: str) -> AccelerateConfig:
    told = files.text(path, 100_000)
    settings, fault = read_json(told) if path.endswith(".json") else read_yaml(told)
    return AccelerateConfig(path=path, exists=True, settings=settings, fault=fault)


def read_json(told: str) -> Tuple[Dict[str, str], str]:
    """(top-level keys, fault) of a JSON configuration."""
    import json

    try:
        found = json.loads(told)
    except ValueError as error:
        return {}, f"not valid JSON: {error}"
    if not isinstance(found, dict):
        return {}, "not an object"
    return {str(key): str(content).lower() for key, content in found.items()}, ""


def read_yaml(told: str) -> Tuple[Dict[str, str], str]:
    """(top-level keys with their plain values, fault). accelerate writes one `key: value` a line; deeper levels are
    indented and passed over. What such a file can't hold is a fault, named with its line."""
    found: Dict[str, str] = {}
    for number, line in enumerate(told.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or line in ("---", "..."):
            continue
        if line.startswith("\t"):
            return found, f"line {number} is indented with a tab, which YAML forbids"
        if line[0] in " -":
            continue
        key, mark, content = line.partition(":")
        if not mark or (content and not content.startswith(" ")) or not key.strip() or " " in key.strip():
            return found, f"line {number} is not `key: value`: {line.strip()[:60]}"
        if ": " in content.split("#")[0].strip(" '\"") and not content.strip().startswith(("{", "'", '"')):
            return found, f"line {number} holds two values: {line.strip()[:60]}"
        found[key.strip()] = content.split(" #")[0].strip().strip("'\"").lower()
    if told and "\0" in told:
        return found, "the file holds zero bytes: it was cut off while it was written"
    return found, "" if found or not told.strip() else "it holds no settings"
