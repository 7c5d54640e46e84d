"""Finds every symptom: each module in families/ holds a tuple SYMPTOMS, and nobody keeps a list."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import Dict, Tuple

from dreamboot.doctor.symptoms.base import Symptom


@lru_cache(maxsize=1)
def symptoms() -> Tuple[Symptom, ...]:
    """All symptoms in the order of their families' names. Raises `ValueError` when two have one id."""
    from dreamboot.doctor.symptoms import families

    known: Dict[str, Symptom] = {}
    for module in sorted(pkgutil.iter_modules(families.__path__), key=lambda module: module.name):
        for symptom in importlib.import_module(f"{families.__name__}.{module.name}").SYMPTOMS:
            if symptom.id in known:
                raise ValueError(f"two symptoms are called {symptom.id}")
            known[symptom.id] = symptom
    return tuple(known.values())
