"""The problems that patching knows, one function each."""

from __future__ import annotations

from typing import Sequence

from dreamboot.model import DreambootError, Problem


def malformed(name: str, cause: str) -> DreambootError:
    """The patch file can't be read."""
    return _error("patch-malformed", f"The patch {name} can't be read.", cause, "dreamboot patch list")


def hunk_misses(name: str, path: str, number: int, wanted: Sequence[str]) -> DreambootError:
    """The lines that a hunk replaces are not in the file."""
    first = next((line.strip() for line in wanted if line.strip()), "")
    what = f"Hunk {number} of the patch {name} does not fit {path}."
    return _error("patch-does-not-fit", what, f"Expected a line like: {first}", "dreamboot patch list")


def unknown_file(name: str, path: str, wanted: str, found: str) -> DreambootError:
    """The file is not the one that the patch was written for."""
    return _error(
        "patch-unknown-file",
        f"{path} is not the file that the patch {name} was written for, so it is left alone.",
        f"Expected sha256 {wanted}, found {found or 'no file'}.",
        "Install the distribution again, then: dreamboot patch apply",
    )


def in_the_way(name: str, path: str) -> DreambootError:
    """A file to be created exists already."""
    what = f"The patch {name} wants to create {path}, which exists already."
    return _error("patch-file-exists", what, "Another tool made it.", "Remove that file, then: dreamboot patch apply")


def conflict(path: str, one: str, other: str) -> DreambootError:
    """Two patches want the same file."""
    return _error(
        "patches-conflict",
        f"The patches {one} and {other} both change {path}; neither was applied.",
        "A file can carry one patch at a time, so that each can be taken back exactly.",
        f"dreamboot patch revert {one}",
    )


def not_installed(name: str, distribution: str, versions: str, found: str) -> DreambootError:
    """The distribution is missing, or of a version that the patch is not for."""
    cause = f"Expected {distribution} {versions}, found {found or 'none'}."
    return _error("patch-not-for-this", f"The patch {name} does not apply here.", cause, "dreamboot patch list")


def wheel_missing(name: str, requirement: str, sha256: str) -> DreambootError:
    """A file has to come out of a wheel that is not at hand."""
    return _error(
        "patch-wheel-missing",
        f"The patch {name} takes a file from {requirement}, which could not be had.",
        f"Expected a wheel with sha256 {sha256}.",
        "Run the same command once with a network, without --offline.",
    )


def wheel_wrong(name: str, what: str, wanted: str, found: str) -> DreambootError:
    """A wheel or its member has other bytes than pinned."""
    cause = f"Expected sha256 {wanted}, found {found}."
    return _error("patch-wheel-wrong", f"The patch {name} does not trust {what}.", cause, "dreamboot patch list")


def changed_since(name: str, path: str) -> DreambootError:
    """A patched file was changed by somebody else."""
    return _error(
        "patched-file-changed",
        f"{path} was changed after the patch {name}, so it can't be taken back exactly.",
        "It holds neither the original nor the patched content.",
        "Install the distribution again, then: dreamboot patch list",
    )


def not_applied(name: str) -> DreambootError:
    """Nothing to take back."""
    cause = "There is no record of it in this environment."
    return _error("patch-not-applied", f"The patch {name} is not applied.", cause, "dreamboot patch list")


def unknown_patch(name: str, known: Sequence[str]) -> DreambootError:
    """No such name on the shelf."""
    cause = "There are: " + (", ".join(known) or "none")
    return _error("patch-unknown", f"There is no patch named {name}.", cause, "dreamboot patch list")


def outside(name: str, path: str) -> DreambootError:
    """A path leads out of the environment."""
    cause = "A folder on its way is a link to another place."
    what = f"{path} of the patch {name} lies outside."
    return _error("patch-leaves-environment", what, cause, "dreamboot patch list")


def interrupted(cause: str) -> DreambootError:
    """An earlier change was cut short and can't be finished."""
    return _error(
        "patch-half-done",
        "An earlier change of patched files was interrupted and could not be finished.",
        cause,
        "Close programs that use the environment, then run the same command again.",
    )


def not_written(cause: str) -> DreambootError:
    """The file system refused; everything is as before."""
    return _error(
        "patch-cannot-write",
        "The patched files could not be written; everything is as it was before.",
        cause,
        "Close programs that use the environment, make room, then run the same command again.",
    )


def _error(code: str, what: str, cause: str, hint: str) -> DreambootError:
    return DreambootError(Problem(id=code, what=what, cause=cause, hint=hint))
