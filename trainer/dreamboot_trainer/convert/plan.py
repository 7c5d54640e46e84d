"""From key pairs and located tensors to the list of tensors to write: no file is touched here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dreamboot_trainer.convert.catalogue import Catalogue, Located
from dreamboot_trainer.convert.families import Extra
from dreamboot_trainer.convert.faults import missing_tensors, wrong_shape
from dreamboot_trainer.convert.numbers import cast, wanted
from dreamboot_trainer.convert.pairs import Layout, Pair, same_shape
from dreamboot_trainer.convert.planned import Planned, part, whole


def to_original(path: Path, title: str, pairs: Iterable[Pair], found: Catalogue, wish: str) -> list[Planned]:
    """The original tensors of one component, from the diffusers tensors in `found`.

    `path` and `title` (such as unet) are for messages. TrainerError for missing tensors and wrong shapes.
    """
    pairs = tuple(pairs)
    _require(path, title, (name for pair in pairs for name in pair.diffusers), found)
    return [_original(path, pair, [found[name] for name in pair.diffusers], wish) for pair in pairs]


def to_diffusers(path: Path, title: str, pairs: Iterable[Pair], found: Catalogue, wish: str) -> list[Planned]:
    """The diffusers tensors of one component, from the original tensors in `found`."""
    pairs = tuple(pairs)
    _require(path, title, (pair.original for pair in pairs), found)
    return [tensor for pair in pairs for tensor in _diffusers(path, pair, found[pair.original], wish)]


def extras(
    wanted_extras: Sequence[Extra], kept: Catalogue, planned: Sequence[Planned]
) -> tuple[list[Planned], list[str]]:
    """The tensors that only the original has, and the reasons of those that had to be filled in.

    `planned` are the component's other tensors: copies are taken from them, and the format of the weights.
    """
    by_name = {tensor.name: tensor for tensor in planned}
    weights = next((t.dtype for t in planned if t.dtype in ("F16", "BF16", "F32")), "F32")
    tensors: list[Planned] = []
    reasons: list[str] = []
    for extra in wanted_extras:
        place = kept.get(extra.original)
        if place is not None and place.info.shape == extra.shape:
            dtype = wanted(place.info.dtype, "keep") if extra.dtype else weights
            tensors.append(Planned(extra.original, dtype, extra.shape, (whole(place.source, place.name),)))
            continue
        tensors.append(_filled(extra, by_name, extra.dtype or weights))
        if extra.kept and extra.why not in reasons:
            reasons.append(extra.why)
    return tensors, reasons


def keep_bytes(wanted_extras: Sequence[Extra], found: Catalogue) -> list[Planned]:
    """The extras that a checkpoint has, as they are, to be kept beside the diffusers folder."""
    return [
        Planned(extra.original, place.info.dtype, extra.shape, (whole(place.source, place.name),))
        for extra in wanted_extras
        if extra.kept and (place := found.get(extra.original)) is not None and place.info.shape == extra.shape
    ]


def _require(path: Path, title: str, names: Iterable[str], found: Mapping[str, Located]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise missing_tensors(path, title, missing)


def _original(path: Path, pair: Pair, places: Sequence[Located], wish: str) -> Planned:
    for name, place in zip(pair.diffusers, places, strict=True):
        _same_or_raise(path, name, pair.shape, place)
    formats = {place.info.dtype for place in places}
    dtype = wanted(places[0].info.dtype, wish)
    if len(formats) > 1 and wish == "keep":
        dtype = "F32"
    pieces = tuple(whole(place.source, place.name) for place in places)
    return Planned(pair.original, dtype, pair.original_shape, pieces, transposed=pair.layout is Layout.TRANSPOSED)


def _diffusers(path: Path, pair: Pair, place: Located, wish: str) -> Iterator[Planned]:
    _same_or_raise(path, place.name, pair.original_shape, place)
    count = len(pair.diffusers)
    for index, name in enumerate(pair.diffusers):
        pieces = (part(place.source, place.name, index, count),)
        dtype = wanted(place.info.dtype, wish)
        yield Planned(name, dtype, pair.shape, pieces, transposed=pair.layout is Layout.TRANSPOSED)


def _same_or_raise(path: Path, name: str, expected: tuple[int, ...], place: Located) -> None:
    if not same_shape(expected, place.info.shape):
        raise wrong_shape(path, name, expected, place.info.shape)


def _filled(extra: Extra, by_name: Mapping[str, Planned], dtype: str) -> Planned:
    if extra.copy_of:
        model = by_name[extra.copy_of]
        return Planned(extra.original, model.dtype, extra.shape, model.pieces)
    assert extra.content is not None  # noqa: S101 - an Extra has one or the other
    content = extra.content()
    if not extra.dtype:
        content = bytes(cast(content, "F32", dtype, extra.original))
    return Planned(extra.original, dtype, extra.shape, constant=content)
