"""The decorator behind every noun (a frozen, keyword-only value), and its way to and from JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
from typing import TYPE_CHECKING, Any, Dict, Mapping, Type, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        return lambda decorator: decorator


T = TypeVar("T")

# Python 3.8 and 3.9 know neither option. The type checker, which reads the code as 3.10, holds everyone to keywords;
# on old Pythons fields without a default must stand first.
_OPTIONS: Dict[str, bool] = {"kw_only": True, "slots": True} if sys.version_info >= (3, 10) else {}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def value(cls: Type[T]) -> Type[T]:
    """Make `cls` a frozen, keyword-only dataclass with slots (where the interpreter has them)."""
    return dataclasses.dataclass(frozen=True, **_OPTIONS)(cls)


def to_json(item: Any) -> Any:
    """`item` as plain dicts, lists, strings and numbers, ready for `json.dumps`; field order is kept."""
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: to_json(getattr(item, field.name)) for field in dataclasses.fields(item)}
    if isinstance(item, enum.Enum):
        return item.value
    if isinstance(item, Mapping):
        return {str(key): to_json(member) for key, member in item.items()}
    if isinstance(item, (list, tuple, set, frozenset)):
        return [to_json(member) for member in item]
    return item


def from_json(cls: Type[T], data: Any) -> T:
    """The inverse of `to_json`.

    Raises `ValueError` with one line per fault (which field, what was expected) when `data` does not fit, and for
    fields that `cls` does not have: a misspelt fact must not be silently lost.
    """
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)
    try:
        return converter.structure(data, cls)
    except Exception as error:
        try:
            lines = cattrs.transform_error(error)
        except Exception:  # noqa: BLE001 - the transformer itself fails on exceptions it does not know
            lines = [str(error)]
        raise ValueError("\n".join(lines)) from error


def canonical(item: Any) -> str:
    """One spelling for equal values: the text that hashes are taken of."""
    return json.dumps(to_json(item), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_toml(text: str) -> Dict[str, Any]:
    """TOML text as plain data; raises `ValueError` with line and column when it is malformed."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    data: Dict[str, Any] = tomllib.loads(text)
    return data
