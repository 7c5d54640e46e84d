"""Typed reading of the entries of a model's config.json that decide names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dreamboot_trainer.convert.faults import unsupported_config

Config = Mapping[str, object]


def integer(config: Config, key: str, default: int | None = None) -> int:
    """The whole number under `key`; TrainerError when it is missing (and there is no default) or something else."""
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise unsupported_config(key, "a whole number", value)
    return value


def flag(config: Config, key: str, default: bool) -> bool:
    """The true/false value under `key`; null counts as the default."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise unsupported_config(key, "true or false", value)
    return value


def texts(config: Config, key: str) -> tuple[str, ...]:
    """The list of strings under `key`."""
    value = config.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise unsupported_config(key, "a list of names", value)
    return tuple(str(v) for v in value)


def integers(config: Config, key: str, length: int | None = None, default: int | None = None) -> tuple[int, ...]:
    """The list of whole numbers under `key`; a single number is repeated `length` times."""
    value = config.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool) and length is not None:
        return (value,) * length
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(type(v) is int for v in value):
        raise unsupported_config(key, "a list of whole numbers", value)
    if length is not None and len(value) != length:
        raise unsupported_config(key, f"{length} whole numbers", value)
    return tuple(int(v) for v in value)


def refuse_unless_absent(config: Config, *keys: str) -> None:
    """TrainerError when one of `keys` switches on a part that the original layout has no names for."""
    for key in keys:
        value = config.get(key)
        if value not in (None, False) and not (isinstance(value, Sequence) and not any(value)):
            raise unsupported_config(key, "absent, null or false", value)
