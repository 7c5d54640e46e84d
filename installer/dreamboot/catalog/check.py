"""Rows that contradict each other: found by comparing tables, reported as sentences. Pure."""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dreamboot.catalog.catalog import Catalog
from dreamboot.catalog.loading import TABLES
from dreamboot.catalog.versions import at_least, cuda_of, numbers
from dreamboot.values import value


@value
class Contradiction:
    """Two facts that can't both be true: the table and row to look at, and what is wrong with it."""

    table: str
    row: str
    what: str


def contradictions(catalog: Catalog) -> Tuple[Contradiction, ...]:
    """Everything that `dreamboot catalog check` reports; empty for a catalog that agrees with itself.

    Raises `BadRowError` for a row that does not fit its table at all.
    """
    found: List[Contradiction] = []
    for name in TABLES:
        catalog.table(name)
    for look in _LOOKS:
        found.extend(look(catalog))
    return tuple(found)


def _unknown_sources(catalog: Catalog) -> Iterator[Contradiction]:
    """A short source name that its table does not spell out, and that is no place or act by itself."""
    for name in TABLES:
        known = catalog.sources(name)
        for row in catalog.raw(name)["rows"]:
            for source in row["source"]:
                if source not in known and re.fullmatch(r"[a-z0-9-]+", source):
                    yield Contradiction(table=name, row=_title(row), what=f"its source {source!r} is not listed")


def _doubled_rows(catalog: Catalog) -> Iterator[Contradiction]:
    keys = {"torch": "torch", "gpus": "name", "amd": "gfx", "bitsandbytes": "version", "xformers": "version",
            "conflicts": "id", "floors": "what"}  # fmt: skip
    for table, key in keys.items():
        seen = set()
        for row in catalog.raw(table)["rows"]:
            if row[key] in seen:
                yield Contradiction(table=table, row=row[key], what="there are two rows for it")
            seen.add(row[key])


def _builds_without_code(catalog: Catalog) -> Iterator[Contradiction]:
    """A CUDA tag that a release is said to have, and of which nobody says what it was compiled for."""
    for release in catalog.releases:
        for platform, tags in release.index.items():
            default = (release.default.get(platform, ""),)
            for tag in (*tags, *default):
                if tag.startswith("cu") and catalog.architectures(release.torch, tag, platform) is None:
                    what = f"{tag} for {platform} has no row in architectures"
                    yield Contradiction(table="torch", row=release.torch, what=what)


def _overlapping_architectures(catalog: Catalog) -> Iterator[Contradiction]:
    rows = catalog.table("architectures")
    for number, one in enumerate(rows):
        for other in rows[number + 1 :]:
            same = one.tag == other.tag and set(one.platforms) & set(other.platforms)
            apart = numbers(one.last) < numbers(other.first) or numbers(other.last) < numbers(one.first)
            if same and not apart and (one.code, one.ptx) != (other.code, other.ptx):
                what = f"{one.first}..{one.last} and {other.first}..{other.last} overlap and differ"
                yield Contradiction(table="architectures", row=one.tag, what=what)


def _tags_without_driver(catalog: Catalog) -> Iterator[Contradiction]:
    for row in catalog.table("architectures"):
        if not catalog.cuda_minimum(cuda_of(row.tag), windows=False):
            yield Contradiction(table="architectures", row=row.tag, what="no driver minimum is known for its CUDA")


def _drivers_that_disagree(catalog: Catalog) -> Iterator[Contradiction]:
    """One CUDA major version has one minimum, and no toolkit ships with a driver below it."""
    minimum: Dict[str, Tuple[str, str]] = {}
    for row in catalog.toolkits:
        major = row.cuda.split(".", maxsplit=1)[0]
        found = (row.minimum_linux, row.minimum_windows)
        if major != "10" and minimum.setdefault(major, found) != found:
            what = f"its minimum {found} is not {minimum[major]}, that of CUDA {major}"
            yield Contradiction(table="cuda", row=row.toolkit, what=what)
        shipped_too_old = numbers(row.ships_linux) < numbers(row.minimum_linux) and row.cuda != "11.0"
        if shipped_too_old:
            yield Contradiction(table="cuda", row=row.toolkit, what="it ships with a driver below its own minimum")


def _gpus_against_families(catalog: Catalog) -> Iterator[Contradiction]:
    from dreamboot.catalog.gpus import plain

    for model in catalog.gpus:
        for family in catalog.table("gpu_families"):
            if re.search(family.pattern, plain(model.name)):
                if family.compute_capability != model.compute_capability:
                    what = (
                        f"{model.compute_capability}, but its family {family.pattern} says {family.compute_capability}"
                    )
                    yield Contradiction(table="gpus", row=model.name, what=what)
                break


def _amd_tags(catalog: Catalog) -> Iterator[Contradiction]:
    """A ROCm tag of a GPU that no release has, or an override to a GPU of another family."""
    known = {tag for release in catalog.releases for tag in release.index.get("linux-x86_64", ())}
    for row in catalog.table("amd"):
        for tag in row.tags:
            if tag not in known:
                yield Contradiction(table="amd", row=row.gfx, what=f"{tag} is in no torch release")
        stand_in = catalog.amd(row.override_gfx) if row.override else None
        if row.override and (stand_in is None or stand_in.family != row.family):
            yield Contradiction(table="amd", row=row.gfx, what=f"its override {row.override} is of another family")


def _stacks(catalog: Catalog) -> Iterator[Contradiction]:
    """Requirements that can't be read, and accelerate releases without a list of keys."""
    for stack in catalog.stacks:
        for name, wanted in stack.packages.items():
            try:
                Requirement(f"{name}{wanted}")
            except InvalidRequirement:
                yield Contradiction(table="stacks", row=stack.name, what=f"{name}{wanted} is not a requirement")
        floor = catalog.floor("torch").oldest
        if not stack.profile and not Requirement(f"x{stack.torch}").specifier.contains(floor):
            yield Contradiction(
                table="stacks", row=stack.name, what=f"it leaves out torch {floor}, the trainer's floor"
            )


def _floors(catalog: Catalog) -> Iterator[Contradiction]:
    """A set of packages of today that lies below a floor."""
    for stack in catalog.stacks:
        for name, floor in catalog.floors().items():
            wanted = stack.packages.get(name, "")
            if not stack.profile and wanted.startswith("==") and not at_least(wanted[2:], floor.oldest):
                what = f"it has {name}{wanted}, below the floor {floor.oldest}"
                yield Contradiction(table="stacks", row=stack.name, what=what)


def _conflicts(catalog: Catalog) -> Iterator[Contradiction]:
    """Version ranges that nobody can read, and a stack that holds both sides of a known conflict."""
    for row in catalog.table("conflicts"):
        for fact, wanted in row.holds.items():
            if not re.fullmatch(r"[a-z][a-z-]*", wanted) and not _readable(wanted):
                yield Contradiction(table="conflicts", row=row.id, what=f"{fact}{wanted} can't be read")
    for stack in catalog.stacks:
        have = {canonicalize_name(name): text[2:] for name, text in stack.packages.items() if text[:2] == "=="}
        for row in catalog.table("conflicts"):
            if row.holds and set(row.holds) <= set(have) and all(
                Requirement(f"x{wanted}").specifier.contains(have[fact]) for fact, wanted in row.holds.items()
            ):  # fmt: skip
                yield Contradiction(table="stacks", row=stack.name, what=f"it holds both sides of {row.id}")


def _readable(specifier: str) -> bool:
    try:
        Requirement(f"x{specifier}")
    except InvalidRequirement:
        return False
    return True


def _title(row: object) -> str:
    return str(next(iter(row.values()), "")) if isinstance(row, dict) else ""


_LOOKS: Tuple[Callable[[Catalog], Iterator[Contradiction]], ...] = (
    _unknown_sources, _doubled_rows, _builds_without_code, _overlapping_architectures, _tags_without_driver,
    _drivers_that_disagree, _gpus_against_families, _amd_tags, _stacks, _floors, _conflicts,
)  # fmt: skip
