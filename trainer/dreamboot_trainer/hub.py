"""Models that are named as on the Hugging Face hub: found in the cache, downloaded, checked by hash, and uploaded.

`HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` and `HF_HUB_OFFLINE` are honoured as by every program of that hub.
No torch here, and huggingface_hub is imported only for a name that is no path.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dreamboot_trainer import lean
from dreamboot_trainer.model_folder import INDEX
from dreamboot_trainer.problems import Problem, TrainerError, mismatch

Progress = Callable[[int, int, str], None]
"""Called with the bytes done, all bytes, and the file that is being fetched."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_LEFT_OUT = ("safety_checker", "feature_extractor")
"""Components that training does not use: 1.2 GB of Stable Diffusion 1.5's repository."""
_WEIGHTS = (".safetensors", ".bin")
_PATIENCE = 60.0
"""Seconds without an answer. The library's own 10 are too few for a busy machine or a slow line."""
_SMALL = (".json", ".txt", ".model")


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file of a repository. `sha256` of large files; small ones have git's `blob` hash (SHA-1 with a header)."""

    name: str
    size: int
    sha256: str
    blob: str


def is_name(text: str) -> bool:
    """Whether this is spelled like a model on the hub, and no such path exists."""
    return bool(_NAME.fullmatch(text)) and not Path(text).expanduser().exists()


def cached(name: str, revision: str) -> Path | None:
    """The whole model's folder in the local cache; None where it is not there, or not whole."""
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(name, INDEX, revision=revision or None)
    if not isinstance(index, str):
        return None
    folder = Path(index).parent
    return folder if (folder / _whole(revision)).is_file() else None


def fetch(name: str, revision: str, progress: Progress) -> Path:
    """Download a model's folder; what is there already is not fetched again, and a torn file goes on where it ended.

    Every file is checked against the hash that the hub states. Returns the folder in the cache.
    TrainerError where the hub cannot be reached, the model does not exist or needs a login, or a hash is wrong.
    """
    if lean.OFFLINE_WISHED:
        raise TrainerError(_not_local(name, "HF_HUB_OFFLINE is set"))
    from huggingface_hub import HfApi, hf_hub_download

    with _online(), _explained(name, revision):
        # By the revision's own name, so that the cache knows later which commit that was.
        index = Path(hf_hub_download(name, INDEX, revision=revision or None, etag_timeout=_PATIENCE))
        commit = index.parent.name
        info = HfApi().model_info(name, revision=commit, files_metadata=True, timeout=_PATIENCE)
        files = wanted(_files(info), _components(index))
        total, done = sum(file.size for file in files), 0
        for file in files:
            bar = _bar(partial(_tell, progress, done, total, file.name))
            path = Path(hf_hub_download(name, file.name, revision=commit, tqdm_class=bar, etag_timeout=_PATIENCE))
            _check(name, file, path)
            done += file.size
        progress(done, total, "")
    for known in (revision, commit):
        (index.parent / _whole(known)).touch()
    return index.parent


def wanted(files: tuple[RemoteFile, ...], components: tuple[str, ...]) -> tuple[RemoteFile, ...]:
    """The files that a diffusers folder needs: small ones, and of every component the best kind of its weights.

    Best is safetensors before .bin, and full precision before fp16. Small files come first.
    """
    chosen = [file for file in files if "/" not in file.name and file.name == INDEX]
    weights: list[RemoteFile] = []
    for component in components:
        mine = [file for file in files if file.name.startswith(f"{component}/") and file.name.count("/") == 1]
        chosen += [file for file in mine if file.name.endswith(_SMALL) and ".index." not in file.name]
        kinds = ((ending, half) for ending in _WEIGHTS for half in (False, True))
        for ending, half in kinds:
            kind = [file for file in mine if file.name.endswith(ending) and _is_half(file.name) == half]
            kind = [file for file in kind if "non_ema" not in file.name and "openvino" not in file.name]
            if kind:
                index = f"{ending}.index.fp16.json" if half else f"{ending}.index.json"
                weights += kind + [file for file in mine if file.name.endswith(index)]
                break
    return (*chosen, *weights)


def each_percent(progress: Progress) -> Progress:
    """The same, called only when another percent is done: a download tells every few kilobytes."""
    last = -1

    def tell(done: int, total: int, file: str) -> None:
        nonlocal last
        percent = 100 * done // max(1, total)
        if percent != last:
            last = percent
            progress(done, total, file)

    return tell


def logged_in() -> bool:
    """Whether a token is known."""
    from huggingface_hub import get_token

    return bool(get_token())


def login_missing(name: str) -> Problem:
    """Said before training, so that nobody waits for an upload that cannot be."""
    return Problem(
        id="hub-login",
        what=f"The result cannot be uploaded to {name}: there is no login.",
        cause="Expected a token in HF_TOKEN or from `hf auth login`; found none.",
        hint="hf auth login, or: --set push_to_hub=false",
    )


def push(folder: Path, name: str, *, private: bool, message: str) -> str:
    """Upload a folder as a model repository, made if it is missing. Returns its address.

    TrainerError where there is no login, the name is not allowed, or the hub cannot be reached.
    """
    if lean.OFFLINE_WISHED:
        raise TrainerError(_problem("hub-offline", f"{name} cannot be uploaded.", "HF_HUB_OFFLINE is set.", name))
    if not logged_in():
        raise TrainerError(login_missing(name))
    from huggingface_hub import HfApi

    with _online(), _explained(name, ""):
        api = HfApi()
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=address.repo_id, folder_path=str(folder), commit_message=message)
        return str(address)


def _files(info: Any) -> tuple[RemoteFile, ...]:
    found = []
    for each in info.siblings or ():
        digest = str(each.lfs.sha256) if each.lfs else ""
        found.append(RemoteFile(name=each.rfilename, size=int(each.size or 0), sha256=digest, blob=each.blob_id or ""))
    return tuple(sorted(found, key=lambda file: file.name))


def _components(index: Path) -> tuple[str, ...]:
    content = json.loads(index.read_text(encoding="utf-8"))
    parts = (key for key, value in content.items() if isinstance(value, list) and value and value[0])
    return tuple(part for part in parts if part not in _LEFT_OUT)


def _is_half(name: str) -> bool:
    # One file is model.fp16.safetensors, of several the first is model.fp16-00001-of-00002.safetensors.
    return ".fp16." in name or ".fp16-" in name


def _check(name: str, file: RemoteFile, path: Path) -> None:
    """TrainerError, and the file removed, where its content is not what the hub says."""
    expected = file.sha256 or file.blob
    if not expected:
        return
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {path.stat().st_size}\0".encode())  # noqa: S324
    with path.open("rb") as content:
        while block := content.read(2**22):
            digest.update(block)
    if digest.hexdigest() != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise TrainerError(
            mismatch(
                "hub-wrong-hash",
                f"{file.name} of {name} arrived damaged and was removed.",
                f"the hash {expected[:12]}",
                digest.hexdigest()[:12],
                "Run the same command again: it fetches this file anew.",
            )
        )


def _whole(revision: str) -> str:
    """The note that every file of this revision is here, so that half a model is never taken for a whole one."""
    return f".dreamboot-{hashlib.sha256((revision or 'main').encode()).hexdigest()[:8]}"


@contextmanager
def _online() -> Iterator[None]:
    """Inside, huggingface_hub may use the network, which every other part of the trainer leaves alone."""
    from huggingface_hub import constants

    module: Any = constants
    before = module.HF_HUB_OFFLINE, module.HF_HUB_DOWNLOAD_TIMEOUT
    module.HF_HUB_OFFLINE = False
    module.HF_HUB_DOWNLOAD_TIMEOUT = max(_PATIENCE, before[1])
    try:
        yield
    finally:
        module.HF_HUB_OFFLINE, module.HF_HUB_DOWNLOAD_TIMEOUT = before


def _tell(progress: Progress, before: int, total: int, name: str, here: int) -> None:
    progress(before + here, total, name)


def _bar(tell: Callable[[int], None]) -> Any:
    """What huggingface_hub takes for a progress bar: it tells the bytes of one file that are here."""
    base: Any = importlib.import_module("tqdm").tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *_: Any, **options: Any) -> None:
            super().__init__(disable=True)
            self.here = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            self.here += int(n or 0)
            tell(self.here)
            return None

    return Bar


@contextmanager
def _explained(name: str, revision: str) -> Iterator[None]:
    """What the hub's library raises becomes a Problem. Its messages hold no token."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        cause = "Its owner asks everybody to accept the licence first."
        raise TrainerError(
            _problem("hub-gated", f"{name} is not open to you.", cause, name, "hf auth login")
        ) from error
    except errors.RevisionNotFoundError as error:
        cause = f"Expected a branch, tag or commit; found none called {revision}."
        raise TrainerError(_problem("hub-no-revision", f"{name} has no such version.", cause, name)) from error
    except errors.RepositoryNotFoundError as error:
        cause = f"There is no such repository, or it is private and {_login()}."
        raise TrainerError(_problem("hub-not-found", f"{name} is not on the hub.", cause, name)) from error
    except errors.RemoteEntryNotFoundError as error:
        cause = f"Expected a diffusers folder with {INDEX}; found none."
        raise TrainerError(_problem("hub-no-diffusers", f"{name} cannot be trained.", cause, name)) from error
    except (errors.HfHubHTTPError, errors.EntryNotFoundError, OSError, RuntimeError, ValueError) as error:
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        cause = f"{type(error).__name__}: {said[:200]}"
        raise TrainerError(
            _problem("hub-unreachable", f"The hub did not give or take {name}.", cause, name, _RETRY)
        ) from error


_RETRY = "Run the same command again: what has arrived is kept. A mirror is named by HF_ENDPOINT."


def _login() -> str:
    return "your login may not see it" if logged_in() else "you are not logged in"


def _problem(identity: str, what: str, cause: str, name: str, hint: str = "") -> Problem:
    return Problem(id=identity, what=what, cause=cause, hint=hint or _hint(name))


def _hint(name: str) -> str:
    return f"Look at the name, or take a folder: --set pretrained_model_name_or_path=FOLDER (asked for: {name})"


def _not_local(name: str, why: str) -> Problem:
    return Problem(
        id="model-not-local",
        what=f"The model {name} is not on this machine.",
        cause=f"It is not whole in the local cache, and {why}.",
        hint=f"With a network it is downloaded: dreamboot train --set pretrained_model_name_or_path={name}",
    )


def require_cached(name: str, revision: str) -> Path:
    """The model's folder in the cache; TrainerError where it is not there."""
    folder = cached(name, revision)
    if folder is None:
        raise TrainerError(_not_local(name, "downloads are not allowed (local_files_only)"))
    return folder
