"""Words of the command line that argparse does not know, as settings: whether they are keys, the schema says."""

from __future__ import annotations

import re
from collections.abc import Sequence


def settings_from(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """`--lr 1e-6 --use_8bit_adam` → ["lr=1e-6", "use_8bit_adam=true"], and the words that belong to no flag.

    A flag takes one word. kohya's `--optimizer_args a=1 b=2` takes every such pair.
    """
    settings: list[str] = []
    strays: list[str] = []
    waits = pairs = False  # for a flag's value; for more pairs of one that has had one
    for word in words:
        if re.match(r"--.|-[A-Za-z]$", word):
            name, equals, value = word.lstrip("-").partition("=")
            settings.append(f"{name.replace('-', '_')}={value if equals else 'true'}")
            waits, pairs = not equals, False
        elif waits:
            settings[-1] = f"{settings[-1].removesuffix('true')}{word}"
            waits, pairs = False, _is_pair(word)
        elif pairs and _is_pair(word):
            settings[-1] += f" {word}"
        else:
            strays.append(word)
    return settings, strays


def _is_pair(word: str) -> bool:
    return re.match(r"\w+=.", word) is not None
